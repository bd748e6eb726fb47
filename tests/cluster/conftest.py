"""The scripted kube-apiserver with clients of it, a lease and a clock that the test turns."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from app.cluster.connection import KubernetesApi, api_client
from app.cluster.headroom import HeadroomWriter
from app.cluster.keeper import KubernetesBookKeeper
from app.cluster.status import StatusPublisher
from app.settings import Settings
from app.workloads.book import Book
from app.workloads.spec import API_VERSION, KIND
from tests.cluster.fake_api_server import FakeApiServer, Object
from tests.cluster.lease_and_clock import Clock, Seat
from tests.cluster.statuses import read


@pytest.fixture
def fake() -> Iterator[FakeApiServer]:
    """A scripted kube-apiserver on a loopback port."""
    server = FakeApiServer()
    yield server
    server.close()


@pytest.fixture
def settings(fake: FakeApiServer, tmp_path: Path) -> Settings:
    """Settings that lead to the scripted kube-apiserver through a kubeconfig."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "fake", "cluster": {"server": fake.url}}],
                "users": [{"name": "replica", "user": {"token": "of-the-replica"}}],
                "contexts": [{"name": "it", "context": {"cluster": "fake", "user": "replica"}}],
                "current-context": "it",
            }
        )
    )
    return Settings(
        kubeconfig=kubeconfig, authentication="none", host="127.0.0.1", pod_name="replica-a", lease_seconds=30
    )


@pytest.fixture
def connected(settings: Settings) -> Iterator[client.ApiClient]:
    """The generated client."""
    with api_client(settings) as made:
        yield made


@pytest.fixture
def api(connected: client.ApiClient) -> KubernetesApi:
    """The thin one."""
    return KubernetesApi(connected)


@pytest.fixture
def keep(connected: client.ApiClient, settings: Settings) -> Iterator[Callable[[], KubernetesBookKeeper]]:
    """keep() -> a keeper on the scripted kube-apiserver, ended afterwards."""
    made: list[KubernetesBookKeeper] = []

    def start() -> KubernetesBookKeeper:
        made.append(KubernetesBookKeeper(connected, settings, rng=random.Random(1)))
        return made[-1]

    yield start
    for keeper in made:
        keeper.close()


@pytest.fixture
def pod() -> Callable[..., Object]:
    """pod(name, created, ready=, started=, restarts=, owner=, ...) -> a pod as the API sends it; times are seconds."""

    def make(
        name: str = "web-1",
        *,
        created: int = 0,
        ready: int | None = None,
        unready: int | None = None,
        started: int | None = None,
        restarts: int = 0,
        owner: tuple[str, str] | None = ("ReplicaSet", "web-7d9f"),
        labels: dict[str, str] | None = None,
        deleting: bool = False,
    ) -> Object:
        def time(seconds: int) -> str:
            return f"2026-11-23T{10 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"

        metadata: Object = {
            "namespace": "mcp",
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "creationTimestamp": time(created),
            "labels": {"pod-template-hash": "7d9f"} if labels is None else labels,
        }
        if owner:
            metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
        if deleting:
            metadata["deletionTimestamp"] = time(created)
        conditions = []
        if ready is not None:
            conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": time(ready)}]
        elif unready is not None:
            conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": time(unready)}]
        container: Object = {"restartCount": restarts, "state": {}}
        if started is not None:
            container["state"] = {"running": {"startedAt": time(started)}}
        return {"metadata": metadata, "status": {"conditions": conditions, "containerStatuses": [container]}}

    return make


@pytest.fixture
def seat() -> Seat:
    return Seat()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def publisher(connected: client.ApiClient, settings: Settings, seat: Seat, clock: Clock) -> StatusPublisher:
    made = StatusPublisher(connected, settings, lease=seat, monotonic=clock)
    made._started = True  # the test is its thread
    return made


@pytest.fixture
def cluster(fake: Any) -> Callable[..., Book]:
    """cluster(names, bad=names) -> puts LoadForecasts into the API; `book()` then reads them back."""

    def fill(*names: str, bad: tuple[str, ...] = (), **spec: Any) -> Book:
        for name in (*names, *bad):
            spec_of = {"targetRef": {"name": name}, "demand": {"query": "q"}, "capacityPerPod": 10, **spec}
            if name in bad:
                spec_of["capacityPerPod"] = 0
            fake.put(
                "loadforecasts",
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "metadata": {"name": name, "namespace": "mcp", "uid": f"uid-{name}", "generation": 3},
                    "spec": spec_of,
                },
            )
        return read(fake)

    return fill


@pytest.fixture
def headroom_writer(connected: client.ApiClient, settings: Settings, seat: Seat, clock: Clock) -> HeadroomWriter:
    """One that may write both kinds of holders."""
    allowed = settings.model_copy(update={"node_headroom": "buffers-and-balloons"})
    return HeadroomWriter(connected, allowed, lease=seat, monotonic=clock)
