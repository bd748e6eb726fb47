"""The shipped tree on a real kube-apiserver, and what kubectl sees of the service behind it."""

import json

import pytest

from tests.e2e.cluster.conftest import POD_START_SECONDS, Scenario
from tests.e2e.harness import twins
from tests.e2e.harness.processes import wait_until

API = "/apis/external.metrics.k8s.io/v1beta1"
SIZED = {"container": "work", "resource": "cpu", "reference": 1}


def test_the_tree_is_applied_server_side(scenario: Scenario) -> None:
    lines = scenario.applied.splitlines()
    assert len(lines) >= 15
    assert all(line.endswith("serverside-applied") for line in lines), scenario.applied


def test_the_apiservice_is_available(scenario: Scenario) -> None:
    conditions = scenario.plane.get("apiservice", "v1beta1.external.metrics.k8s.io")["status"]["conditions"]
    assert [(one["status"], one["reason"]) for one in conditions if one["type"] == "Available"] == [("True", "Passed")]


def test_discovery_lists_a_resource_through_kubectl(scenario: Scenario) -> None:
    found = json.loads(scenario.plane.kubectl("get", "--raw", API))
    assert found["kind"] == "APIResourceList"
    assert found["groupVersion"] == "external.metrics.k8s.io/v1beta1"
    assert found["resources"]
    assert "external.metrics.k8s.io/v1beta1" in scenario.plane.kubectl("api-versions").split()


def test_a_value_is_read_through_kubectl(scenario: Scenario) -> None:
    found = json.loads(scenario.plane.kubectl("get", "--raw", f"{API}/namespaces/{twins.NAMESPACE}/{twins.REACTIVE}"))
    assert found["kind"] == "ExternalMetricValueList"
    (item,) = found["items"]
    assert item["metricName"] == twins.REACTIVE
    assert item["value"].removesuffix("m").isdigit()


def test_an_unknown_metric_is_not_found(scenario: Scenario) -> None:
    done = scenario.plane.try_kubectl("get", "--raw", f"{API}/namespaces/{twins.NAMESPACE}/nothing")
    assert done.returncode
    assert "NotFound" in done.stderr
    assert "nothing" in done.stderr


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"capacityPerPod": 0}, "spec.capacityPerPod"),
        ({"capacityPerPod": "many"}, "spec.capacityPerPod"),
        ({"mode": "Sometimes"}, "spec.mode"),
        ({"objective": {}}, "spec.objective"),
        ({"objective": {"missingPodPrice": 2, "overloadBudget": "0.1"}}, "spec.objective"),
        ({"lead": {"floorSeconds": 60, "fallbackSeconds": 30}}, "spec.lead"),
        ({"bounds": {"minimum": 5, "maximum": 3}}, "spec.bounds"),
        ({"bounds": {"minimum": -5}}, "spec.bounds.minimum"),
        ({"bounds": {"minimum": "-5"}}, "spec.bounds.minimum"),
        ({"bounds": {"maximum": -5}}, "spec.bounds"),
        ({"capacityPerPod": -5}, "spec.capacityPerPod"),
        ({"objective": {"missingPodPrice": -5}}, "spec.objective.missingPodPrice"),
        ({"objective": {"overloadBudget": -5}}, "spec.objective.overloadBudget"),
        ({"capacityScaling": SIZED | {"idle": -5}}, "spec.capacityScaling.idle"),
        ({"capacityScaling": SIZED | {"reference": -5}}, "spec.capacityScaling.reference"),
        ({"capacityScaling": SIZED | {"minFactor": -5}}, "spec.capacityScaling.minFactor"),
        ({"capacityScaling": SIZED | {"maxFactor": -5}}, "spec.capacityScaling.maxFactor"),
        ({"costs": {"podMinute": -5}}, "spec.costs.podMinute"),
        ({"nodes": {"level": -5}}, "spec.nodes.level"),
        ({"demand": {"query": ""}}, "spec.demand.query"),
        ({"costs": {"pool": "spot", "podMinute": "0.001"}}, "spec.costs"),
        ({"costs": {"missedPodMinute": "0.01"}}, "spec.costs"),
        ({"parts": {"labels": []}}, "spec.parts.labels"),
        ({"parts": {"labels": ["tool-name"]}}, "spec.parts.labels"),
        ({"scaleToZero": {}, "bounds": {"minimum": 1}}, "spec.bounds"),
        ({"drain": {"query": "q"}, "targetRef": {"kind": "StatefulSet", "name": "web"}}, "spec.drain"),
    ],
)
def test_a_wrong_loadforecast_is_refused_with_its_field(
    scenario: Scenario, change: dict[str, object], field: str
) -> None:
    wrong = twins.loadforecast("wrong", mode="Auto")
    wrong["spec"] |= change
    done = scenario.plane.try_kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(wrong))
    assert done.returncode, "accepted"
    assert field in done.stderr


def test_the_lead_is_measured_from_pods_that_became_ready(scenario: Scenario) -> None:
    def measured() -> dict[str, object] | None:
        status = scenario.plane.get("loadforecast", twins.AHEAD, "-n", twins.NAMESPACE).get("status") or {}
        return status if status.get("leadOrigin") == "Measured" else None

    status = wait_until(measured, seconds=90, what="status has a measured lead")
    assert POD_START_SECONDS <= int(str(status["leadSeconds"])) <= POD_START_SECONDS + 15


def test_status_says_what_is_served_and_why(scenario: Scenario) -> None:
    def conditions() -> dict[str, dict[str, str]] | None:
        status = scenario.plane.get("loadforecast", twins.AHEAD, "-n", twins.NAMESPACE).get("status") or {}
        found = {one["type"]: one for one in status.get("conditions", [])}
        return found if found.get("Ready", {}).get("status") == "True" and status.get("servedValue") else None

    found = wait_until(conditions, seconds=60, what="status is written")
    assert found["Fresh"]["status"] == "True"
    assert all(one["reason"] and one["message"] for one in found.values())
    table = scenario.plane.kubectl("get", "loadforecasts", "-n", twins.NAMESPACE)
    assert "SERVED" in table.splitlines()[0]


def test_the_service_never_acts_as_an_administrator(scenario: Scenario) -> None:
    token = scenario.plane.token("forescale", "forescale")
    kubeconfig = scenario.plane.kubeconfig("forescale-check", token)
    answer = scenario.plane.try_kubectl("auth", "can-i", "*", "*", kubeconfig=kubeconfig)
    assert answer.stdout.strip() == "no"
