"""The recommendation reaches pods: those that run are resized in place, new ones are admitted with it."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from app.workloads.spec import parse_quantity
from tests.e2e.harness.processes import free_port, wait_until
from tests.e2e.harness.service import HOST, Service, install
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
EACH, LOAD = 16, 1000  # capacityPerPod and averageValue; what the workload is asked for all the time
METRIC = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/{NAME}"
SETTINGS = {
    "FORESCALE_HISTORY_DAYS": "7",
    "FORESCALE_HISTORY_STEP_SECONDS": "300",
    "FORESCALE_SETTLE_SECONDS": "2",
    "FORESCALE_REFRESH_SECONDS": "2",
    "FORESCALE_LEASE_SECONDS": "6",
}


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
        lambda: scenario.plane.get("mutatingwebhookconfiguration", name), seconds=90, what="the webhook is registered"
    )
    return name


@pytest.fixture(scope="module")
def service(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service, which watches the same pods for a LoadForecast that scales capacity."""
    plane, port = scenario.plane, free_port()
    install(plane, tmp_path_factory.mktemp("service"), port=port)
    plane.apply(loadforecast(SCALING))
    serving = plane.cluster.issue("forescale", hosts=(HOST, "localhost"))
    settings = SETTINGS | {"FORESCALE_PROMETHEUS_URL": scenario.prometheus.url}
    made = Service(plane, "forescale-0", serving, settings, port=port).start()
    try:
        yield made.wait_until_ready()
    finally:
        made.stop()


def loadforecast(scaling: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "targetRef": {"name": NAME},
            "demand": {"query": f"vector({LOAD})"},
            "capacityPerPod": EACH,
            "capacityScaling": scaling,
            "mode": "Shadow",
        },
    }


def autoscaler() -> dict[str, Any]:
    """An HPA that asks for the LoadForecast at the capacity of a pod of the reference size."""
    target = {"type": "AverageValue", "averageValue": str(EACH)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "minReplicas": 1,
            "maxReplicas": 100,
            "metrics": [{"type": "External", "external": {"metric": {"name": NAME}, "target": target}}],
        },
    }


def served(scenario: Scenario) -> float:
    """What kube-apiserver gives the HPA."""
    (item,) = json.loads(scenario.plane.kubectl("get", "--raw", METRIC))["items"]
    return parse_quantity(item["value"])


def told_sizes(scenario: Scenario) -> dict[str, Any]:
    """In the LoadForecast's status."""
    found: dict[str, Any] = scenario.plane.get("loadforecast", NAME, "-n", NAMESPACE)["status"]["podSizes"]
    return found


def factor(scenario: Scenario) -> float:
    """What a pod of the recommended size carries, in pods of the reference size."""
    return round((scenario.target_mi() - 64) / (AT_START_MI - 64), 3)


def test_until_the_admission_controller_lives_nothing_is_touched(scenario: Scenario) -> None:
    scenario.programs.start("updater", {"updater-interval": "1s", "eviction-rate-limit": "5"})
    log = scenario.programs.servers[-1].log
    wait_until(lambda: "Admission Controller status" in log.read_text(), seconds=90, what="the updater waits")
    assert sizes_mi(scenario) == [AT_START_MI] * REPLICAS


def test_pods_of_the_reference_size_leave_the_served_value_alone(scenario: Scenario, service: Service) -> None:
    wait_until(lambda: served(scenario) == LOAD, seconds=90, what="the load is served")
    expected = {"pods": REPLICAS, "carry": f"{REPLICAS}.000", "newest": "1.000", "largest": "1.000"}
    wait_until(lambda: told_sizes(scenario) == expected, seconds=90, what="status has the sizes")


def test_pods_that_run_are_resized_in_place(scenario: Scenario, service: Service, admission: str) -> None:
    before = {one["metadata"]["uid"]: one for one in scenario.pods()}
    wait_until(
        lambda: sizes_mi(scenario) == [scenario.target_mi()] * REPLICAS, seconds=90, what="every pod has the new size"
    )
    after = {one["metadata"]["uid"]: one for one in scenario.pods()}
    assert after.keys() == before.keys()  # none was evicted
    for uid, pod in after.items():
        assert requested(pod, SIDECAR) == requested(before[uid], SIDECAR)
        assert requested(pod, NAME)["cpu"] == requested(before[uid], NAME)["cpu"]
        (application,) = [one for one in pod["spec"]["containers"] if one["name"] == NAME]
        assert application["resources"]["limits"] == {"memory": application["resources"]["requests"]["memory"]}
    print(f"{len(after)} pods resized in place: {AT_START_MI} -> {scenario.target_mi():.0f} Mi")


def test_the_served_value_follows_the_new_size(scenario: Scenario, service: Service) -> None:
    expected = LOAD / factor(scenario)
    wait_until(lambda: abs(served(scenario) - expected) <= 0.001, seconds=90, what="sizes count")
    wait_until(
        lambda: told_sizes(scenario)["newest"] == f"{factor(scenario):.3f}", seconds=90, what="status has the sizes"
    )
    print(f"a pod of {scenario.target_mi():.0f} Mi counts for {factor(scenario):g}: served {LOAD} -> {expected:.1f}")


def test_new_pods_are_admitted_with_the_recommendation(scenario: Scenario, admission: str) -> None:
    known = {one["metadata"]["uid"] for one in scenario.pods()}
    scenario.plane.kubectl("scale", "deployment", NAME, "-n", NAMESPACE, f"--replicas={REPLICAS + 1}")
    (new,) = wait_until(
        lambda: [one for one in scenario.pods() if one["metadata"]["uid"] not in known], seconds=90, what="a new pod"
    )
    assert mebibytes(requested(new, NAME)["memory"]) == scenario.target_mi()
    assert requested(new, NAME)["cpu"] == "250m"
    assert requested(new, SIDECAR) == {"cpu": "100m", "memory": "128Mi"}
    assert "vpaUpdates" in new["metadata"]["annotations"]


def test_the_hpa_asks_for_as_many_pods_of_the_new_size_as_carry_the_load(scenario: Scenario, service: Service) -> None:
    scenario.plane.apply(autoscaler())
    wanted = math.ceil(LOAD / EACH / factor(scenario))

    def settled() -> bool:
        told = scenario.plane.get("hpa", NAME, "-n", NAMESPACE)["status"]
        return bool(told["desiredReplicas"] == told["currentReplicas"] == wanted)  # with all its pods it wants no more

    wait_until(settled, seconds=90, what=f"the HPA has its {wanted} pods")
    assert sizes_mi(scenario) == [scenario.target_mi()] * wanted
    print(f"averageValue {EACH} as before: the HPA wants {wanted} pods, {math.ceil(LOAD / EACH)} without the sizes")


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
    scenario: Scenario, service: Service, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(AssertionError, match=told):
        scenario.plane.apply(loadforecast({**SCALING, **changed}))
