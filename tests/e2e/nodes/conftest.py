"""A real control plane with a real Karpenter, the shipped pools and components, and three workloads under one load."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.harness import karpenter, pools
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.load import DailySurge, Exporter, write_history
from tests.e2e.harness.pools import NAMESPACE, PROVISIONING, Look, Watcher
from tests.e2e.harness.processes import NotInTime, Server, free_port, wait_until
from tests.e2e.harness.prometheus import Prometheus
from tests.e2e.harness.service import HOST, ROOT, Service, install

POD_START_SECONDS = 2
HISTORY_DAYS = 5
STEP_SECONDS = 10
CALM_SECONDS = 90  # from the first pods to the surge: all must be up, nodes measured, and the room asked for by then
SURGE_SECONDS = 30
GONE_SECONDS = 100  # after it, by which its nodes must have gone
NODE_START_SECONDS = 20
SETTINGS = {
    "FORESCALE_HISTORY_DAYS": str(HISTORY_DAYS),
    "FORESCALE_HISTORY_STEP_SECONDS": str(STEP_SECONDS),
    "FORESCALE_SETTLE_SECONDS": "2",
    "FORESCALE_REFRESH_SECONDS": "2",
    "FORESCALE_STALENESS_SECONDS": "30",
    "FORESCALE_LEASE_SECONDS": "6",
    "FORESCALE_CAREFUL_WORKLOADS": "0",
    "FORESCALE_NODE_HEADROOM": "buffers-and-balloons",
}
_DELAY = f'{{"spec": {{"nodeRegistrationDelay": "{NODE_START_SECONDS}s"}}}}'
COMPONENTS = ("nodes/headroom", "nodes/balloons")


@dataclass
class Scenario:
    """Everything that runs."""

    plane: ControlPlane
    surge_at_s: float
    prometheus: Prometheus
    service: Service
    watcher: Watcher
    settings: dict[str, Any]

    def servers(self) -> list[Server]:
        """All processes, for their logs."""
        own = [self.prometheus.server, self.service.server]
        return [*self.plane.servers, *(server for server in own if server is not None)]


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with Karpenter, and the pools as they are shipped for its provider."""
    plane = ControlPlane.start(tmp_path_factory.mktemp("nodes"), pod_start_seconds=POD_START_SECONDS)
    try:
        karpenter.install(plane)
        for tree in ("policies/priorities", "nodes/karpenter/kwok"):
            plane.kubectl("apply", "--server-side", "-k", str(ROOT / "k8s" / tree))
        plane.kubectl("patch", "kwoknodeclass", "default", "--type=merge", f"--patch={_DELAY}", "--field-manager=tests")
        karpenter.start(plane)
        yield plane
    finally:
        plane.stop()


def shipped_pool(plane: ControlPlane, name: str) -> dict[str, Any]:
    """A pool of k8s/nodes/karpenter as the API server holds it."""
    return plane.get("nodepool", name)


@pytest.fixture(scope="session")
def scenario(plane: ControlPlane) -> Iterator[Scenario]:
    port = free_port()
    install(plane, plane.folder, port=port, components=COMPONENTS)
    shipped = shipped_pool(plane, "stateless-spot")
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    plane.apply(*(pools.pool(shipped, name) for name in PROVISIONING))
    plane.apply(*(one for name in PROVISIONING for one in pools.workload(name)))
    surge_at_s = time.time() + CALM_SECONDS
    load = DailySurge(surge_at_s, SURGE_SECONDS, base=9, surge=104)
    with Exporter(load.at, tuple(PROVISIONING)) as exporter:
        prometheus = Prometheus(plane.folder, exporter.port)
        series = [prometheus.target_labels | {"deployment": name} for name in exporter.deployments]
        history = load.history(until_s=time.time(), days=HISTORY_DAYS, step_seconds=STEP_SECONDS, series=series)
        prometheus.backfill(write_history(history, plane.folder / "history.txt"))
        prometheus.start()
        serving = plane.cluster.issue("forescale", hosts=(HOST,))
        settings = {**SETTINGS, "FORESCALE_PROMETHEUS_URL": prometheus.url}
        service = Service(plane, "forescale-0", serving, settings, port=port).start()
        watcher = Watcher(plane, tuple(PROVISIONING))
        try:
            service.wait_until_ready()
            assert time.time() < surge_at_s - SURGE_SECONDS, "setting up took longer than the calm before the surge"
            yield Scenario(plane, surge_at_s, prometheus, service, watcher, settings)
        finally:
            watcher.stop()
            service.stop()
            prometheus.stop()


@dataclass(frozen=True)
class Played:
    """The surge and what came of it. gone_s: when each pool had one node again, None if that took too long."""

    watcher: Watcher
    surge_at_s: float
    gone_s: float | None


@pytest.fixture(scope="session")
def played(scenario: Scenario) -> Played:
    """What was seen until the surge's nodes were gone."""
    over_s = scenario.surge_at_s + SURGE_SECONDS
    wait_until(lambda: time.time() > over_s, seconds=CALM_SECONDS + SURGE_SECONDS, what="the surge is over")
    try:
        wait_until(lambda: scenario.watcher.latest(_small), seconds=GONE_SECONDS, what="each pool has one node again")
    except NotInTime:
        return Played(scenario.watcher, scenario.surge_at_s, None)
    return Played(scenario.watcher, scenario.surge_at_s, time.time())


def _small(look: Look) -> bool:
    return all(count <= 1 for count in look.nodes.values())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows the end of every server's log."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    running = getattr(item, "funcargs", {}).get("scenario")
    if report.failed and isinstance(running, Scenario):
        for server in running.servers():
            report.sections.append((f"log of {server.name}", server.tail()))
