"""The recommendation reaches pods: those that run are resized in place, new ones are admitted with it."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.cluster.connection import api_client
from app.cluster.keeper import KubernetesBookKeeper
from app.settings import Settings
from app.workloads.book import PodSizes
from tests.e2e.harness.processes import free_port, wait_until
from tests.e2e.harness.service import ROOT
from tests.e2e.vpa.conftest import (
    AT_START_MI,
    NAME,
    NAMESPACE,
    REPLICAS,
    SIDECAR,
    Scenario,
    mebibytes,
    requested,
)

SCALING = {"container": NAME, "resource": "memory", "reference": f"{AT_START_MI}Mi", "idle": "64Mi", "maxFactor": 16}


def sizes_mi(scenario: Scenario) -> list[float]:
    """What the application requests in each pod."""
    return [mebibytes(requested(pod, NAME)["memory"]) for pod in scenario.pods()]


@pytest.fixture(scope="module")
def admission(scenario: Scenario) -> str:
    """The admission controller, which kube-apiserver reaches on loopback; gives its webhook's name."""
    port = free_port()
    pair = scenario.plane.cluster.issue("vpa-webhook", hosts=("127.0.0.1", "localhost"))
    files = {"tls-cert-file": pair.cert, "tls-private-key": pair.key, "client-ca-file": scenario.plane.cluster.file}
    here = {"register-by-url": "true", "webhook-address": "https://127.0.0.1", "webhook-port": str(port)}
    flags = {"port": str(port), **here, **{flag: str(path) for flag, path in files.items()}}
    scenario.programs.start("admission-controller", flags)
    name = "vpa-webhook-config"
    wait_until(
        lambda: scenario.plane.get("mutatingwebhookconfiguration", name), seconds=40, what="the webhook is registered"
    )
    return name


@pytest.fixture(scope="module")
def keeper(scenario: Scenario) -> Iterator[KubernetesBookKeeper]:
    """Our own eyes on the same pods, with a LoadForecast that scales capacity."""
    plane = scenario.plane
    plane.kubectl("apply", "--server-side", "-f", str(ROOT / "k8s" / "base" / "crd-loadforecasts.yaml"))
    wait_until(lambda: plane.kubectl("get", "loadforecasts", "-A") or True, seconds=30, what="LoadForecasts are served")
    plane.apply(loadforecast(SCALING))
    settings = Settings(kubeconfig=plane.admin, authentication="none", host="127.0.0.1", watch_namespace=NAMESPACE)
    with api_client(settings) as api:
        made = KubernetesBookKeeper(api, settings, rng=random.Random(1))
        try:
            assert made.wait_until_ready(30)
            yield made
        finally:
            made.close()


def loadforecast(scaling: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "targetRef": {"name": NAME},
            "demand": {"query": "vector(1)"},
            "capacityPerPod": 16,
            "capacityScaling": scaling,
        },
    }


def test_until_the_admission_controller_lives_nothing_is_touched(scenario: Scenario) -> None:
    scenario.programs.start("updater", {"updater-interval": "1s", "eviction-rate-limit": "5"})
    log = scenario.programs.servers[-1].log
    wait_until(lambda: "Admission Controller status" in log.read_text(), seconds=20, what="the updater waits")
    assert sizes_mi(scenario) == [AT_START_MI] * REPLICAS


def test_pods_that_run_are_resized_in_place(scenario: Scenario, keeper: KubernetesBookKeeper, admission: str) -> None:
    before = {one["metadata"]["uid"]: one for one in scenario.pods()}
    assert keeper.current().sizes == {f"{NAMESPACE}/{NAME}": PodSizes(REPLICAS, REPLICAS, 1.0, 1.0)}
    wait_until(
        lambda: sizes_mi(scenario) == [scenario.target_mi()] * REPLICAS, seconds=60, what="every pod has the new size"
    )
    after = {one["metadata"]["uid"]: one for one in scenario.pods()}
    assert after.keys() == before.keys()  # none was evicted
    for uid, pod in after.items():
        assert requested(pod, SIDECAR) == requested(before[uid], SIDECAR)
        assert requested(pod, NAME)["cpu"] == requested(before[uid], NAME)["cpu"]
    (application,) = [one for one in pod["spec"]["containers"] if one["name"] == NAME]
    assert application["resources"]["limits"] == {"memory": application["resources"]["requests"]["memory"]}
    print(f"{len(after)} pods resized in place: {AT_START_MI} -> {scenario.target_mi():.0f} Mi")


def test_capacity_follows_the_new_size(scenario: Scenario, keeper: KubernetesBookKeeper) -> None:
    factor = round((scenario.target_mi() - 64) / (AT_START_MI - 64), 3)
    expected = PodSizes(REPLICAS, round(REPLICAS * factor, 3), factor, factor)
    wait_until(lambda: keeper.current().sizes == {f"{NAMESPACE}/{NAME}": expected}, seconds=20, what="sizes are seen")
    print(
        f"capacityPerPod 16 at {AT_START_MI} Mi; a pod of {scenario.target_mi():.0f} Mi counts for {factor:g} of them"
    )


def test_new_pods_are_admitted_with_the_recommendation(scenario: Scenario, admission: str) -> None:
    known = {one["metadata"]["uid"] for one in scenario.pods()}
    scenario.plane.kubectl("scale", "deployment", NAME, "-n", NAMESPACE, f"--replicas={REPLICAS + 1}")
    (new,) = wait_until(
        lambda: [one for one in scenario.pods() if one["metadata"]["uid"] not in known], seconds=30, what="a new pod"
    )
    assert mebibytes(requested(new, NAME)["memory"]) == scenario.target_mi()
    assert requested(new, NAME)["cpu"] == "250m"
    assert requested(new, SIDECAR) == {"cpu": "100m", "memory": "128Mi"}
    assert "vpaUpdates" in new["metadata"]["annotations"]


def test_the_rights_that_are_shipped_are_enough(scenario: Scenario, admission: str) -> None:
    for server in scenario.programs.servers:
        text = server.log.read_text().lower()
        assert "forbidden" not in text, server.name
        assert "cannot list" not in text, server.name


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"idle": "256Mi"}, "idle must be below reference"),
        ({"minFactor": 2, "maxFactor": 3}, "1 must lie between minFactor and maxFactor"),
        ({"reference": 0}, "must be greater than 0"),
        ({"resource": "gpu"}, 'supported values: "cpu", "memory"'),
    ],
)
def test_scaling_that_makes_no_sense_is_refused(
    scenario: Scenario, keeper: KubernetesBookKeeper, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(AssertionError, match=told):
        scenario.plane.apply(loadforecast({**SCALING, **changed}))
