"""The policy of each type: what all have, what tells them apart, and that the names of one workload fit together."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from app.planning.behaviour import asked_pods, of_hpa
from app.tuning.types import POLICIES as TYPES
from app.tuning.types import WorkloadType
from app.workloads.spec import LoadForecast
from tests.manifests.test_rendered_manifests import pod_template
from tests.manifests.test_samples import rendered

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "k8s" / "policies"
USERS = {  # type -> a workload that uses it
    "registry": "examples/mcp/k8s/base/registry",
    "stateless": "examples/mcp/k8s/base/catalog",
    "stateful": "examples/mcp/k8s/base/workshop",
    "agent": "examples/mcp/k8s/base/agent",
    "batch": "k8s/examples/queue-worker",
}
FIXED = ["registry", "stateless", "stateful", "agent"]  # what is not scaled to zero
UNMOVED = ["stateful", "agent"]
POOLS = {"system", "stateless-spot", "stateful-on-demand", "batch-spot"}
SPOT_NOTICE_SECONDS = 120
Manifest = dict[str, Any]


def find(kind: str, what: str) -> Manifest:
    (found,) = [one for one in rendered(ROOT / USERS[kind]) if one["kind"] == what]
    return found


def pod(kind: str) -> Manifest:
    return pod_template(find(kind, "Deployment"))


def affinity(kind: str) -> tuple[set[str], set[str]]:
    """Pools that are preferred, and pools that are excluded."""
    node = pod(kind)["spec"]["affinity"]["nodeAffinity"]
    (preferred,) = node["preferredDuringSchedulingIgnoredDuringExecution"]
    (wanted,) = preferred["preference"]["matchExpressions"]
    (term,) = node["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    (refused,) = term["matchExpressions"]
    assert wanted["key"] == refused["key"] == "forescale.dev/pool"
    assert (wanted["operator"], refused["operator"]) == ("In", "NotIn")
    return set(wanted["values"]), set(refused["values"])


@pytest.fixture
def classes() -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in rendered(POLICIES / "priorities")}


@pytest.mark.parametrize("kind", USERS)
def test_a_policys_objects_carry_the_names_of_the_one_workload(kind: str) -> None:
    deployment = find(kind, "Deployment")
    name, labels = deployment["metadata"]["name"], deployment["spec"]["selector"]["matchLabels"]
    application = pod(kind)["spec"]["containers"][0]["name"]
    hpa, vpa, budget = (
        find(kind, one) for one in ("HorizontalPodAutoscaler", "VerticalPodAutoscaler", "PodDisruptionBudget")
    )
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert {one["metadata"]["name"] for one in (hpa, vpa, budget)} == {name}
    assert hpa["spec"]["scaleTargetRef"] == vpa["spec"]["targetRef"] == target
    assert budget["spec"]["selector"]["matchLabels"] == labels
    for spread in pod(kind)["spec"]["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"] == labels
    assert vpa["spec"]["resourcePolicy"]["containerPolicies"][0]["containerName"] == application
    for metric in hpa["spec"]["metrics"][1:]:
        assert metric["containerResource"]["container"] == application


@pytest.mark.parametrize("kind", USERS)
def test_the_hpa_asks_for_the_forecast_at_the_pods_capacity(kind: str) -> None:
    forecast = LoadForecast.from_object(find(kind, "LoadForecast"))
    hpa = find(kind, "HorizontalPodAutoscaler")["spec"]
    external = hpa["metrics"][0]["external"]
    assert external["metric"]["name"] == forecast.name
    assert external["target"]["type"] == "AverageValue"
    assert float(external["target"]["averageValue"]) == forecast.spec.capacity_per_pod
    assert isinstance(external["target"]["averageValue"], str)
    held = hpa["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
    assert find(kind, "LoadForecast")["spec"]["scaleDownStabilizationSeconds"] == held


@pytest.mark.parametrize("kind", FIXED)
def test_cpu_of_the_application_alone_is_the_net_below_the_forecast(kind: str) -> None:
    _, cpu = find(kind, "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert (cpu["type"], cpu["containerResource"]["name"]) == ("ContainerResource", "cpu")
    assert find(kind, "HorizontalPodAutoscaler")["spec"]["minReplicas"] >= 1


def test_only_batch_scales_to_zero_and_by_nothing_but_its_queue() -> None:
    hpa = find("batch", "HorizontalPodAutoscaler")["spec"]
    assert hpa["minReplicas"] == 0
    assert [one["type"] for one in hpa["metrics"]] == ["External"]


@pytest.mark.parametrize("kind", USERS)
def test_vpa_owns_the_applications_memory_and_nothing_else(kind: str) -> None:
    spec = find(kind, "VerticalPodAutoscaler")["spec"]
    application, others = spec["resourcePolicy"]["containerPolicies"]
    assert spec["updatePolicy"]["updateMode"] == "InPlaceOrRecreate"
    assert application["controlledResources"] == ["memory"]
    assert application["minAllowed"].keys() == application["maxAllowed"].keys() == {"memory"}
    assert others == {"containerName": "*", "mode": "Off"}


@pytest.mark.parametrize("kind", USERS)
def test_memory_of_what_is_not_moved_only_grows(kind: str) -> None:
    rules = find(kind, "VerticalPodAutoscaler")["spec"]["updatePolicy"].get("evictionRequirements")
    grows = [{"resources": ["memory"], "changeRequirement": "TargetHigherThanRequests"}]
    assert rules == (grows if kind in UNMOVED else None)


@pytest.mark.parametrize("kind", USERS)
def test_nobody_moves_sessions_and_tasks_and_everything_else_may_be_moved(kind: str) -> None:
    annotations = pod(kind)["metadata"]["annotations"]
    moved = kind not in UNMOVED
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == str(moved).lower()
    assert annotations.get("karpenter.sh/do-not-disrupt") == (None if moved else "true")
    healthy = find(kind, "PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"]
    assert healthy == ("AlwaysAllow" if moved else "IfHealthyBudget")


def test_sessions_go_latest_and_one_at_a_time() -> None:
    down = {kind: find(kind, "HorizontalPodAutoscaler")["spec"]["behavior"]["scaleDown"] for kind in USERS}
    held = {kind: one["stabilizationWindowSeconds"] for kind, one in down.items()}
    assert held["stateful"] == max(held.values()) == 600
    assert {one["selectPolicy"] for one in down.values()} == {"Max"}
    shares = {
        kind: next(one["value"] for one in each["policies"] if one["type"] == "Percent") for kind, each in down.items()
    }
    assert shares["stateful"] == min(shares.values())
    at_once = {**down["stateful"], "stabilizationWindowSeconds": 0}
    behaviour = of_hpa({"behavior": {"scaleDown": at_once}, "maxReplicas": 10})
    assert asked_pods(np.asarray([9.0, 3, 3]), [behaviour], step_seconds=60)[0].tolist() == [9, 8, 7]


@pytest.mark.parametrize("kind", USERS)
def test_a_type_tolerates_the_taint_of_every_pool_that_it_prefers_and_of_none_that_it_excludes(kind: str) -> None:
    wanted, refused = affinity(kind)
    tolerated = {one["value"] for one in pod(kind)["spec"]["tolerations"]}
    assert {one["key"] for one in pod(kind)["spec"]["tolerations"]} == {"forescale.dev/pool"}
    assert wanted <= tolerated <= POOLS - refused
    assert refused <= POOLS


@pytest.mark.parametrize("kind", USERS)
def test_what_must_not_stop_within_minutes_is_kept_off_spot_nodes(kind: str) -> None:
    spot = {one for one in POOLS - affinity(kind)[1] if one.endswith("-spot")}
    assert bool(spot) == (kind in ("stateless", "batch"))
    if spot:
        assert pod(kind)["spec"]["terminationGracePeriodSeconds"] <= SPOT_NOTICE_SECONDS


@pytest.mark.parametrize("kind", USERS)
def test_a_pod_that_stops_first_leaves_the_endpoints(kind: str) -> None:
    before = pod(kind)["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 2 < before < pod(kind)["spec"]["terminationGracePeriodSeconds"]


def test_batch_yields_to_servers_and_takes_nobodys_place(classes: dict[str, Manifest]) -> None:
    values = {kind: classes[pod(kind)["spec"]["priorityClassName"]]["value"] for kind in USERS}
    assert values["batch"] < 0 < values["stateless"] == values["agent"] < values["stateful"] == values["registry"]
    assert values["batch"] >= -10  # Cluster Autoscaler makes no nodes for what lies below
    assert classes["forescale-batch"]["preemptionPolicy"] == "Never"
    assert not any(one["globalDefault"] for one in classes.values())


def test_priority_classes_come_with_the_service_not_with_a_workload() -> None:
    for overlay in ("local", "production"):
        kinds = [one["kind"] for one in rendered(ROOT / "k8s" / "overlays" / overlay)]
        assert kinds.count("PriorityClass") == 3
    for tree in USERS.values():
        assert "PriorityClass" not in {one["kind"] for one in rendered(ROOT / tree)}


def test_every_number_has_its_reason_beside_it() -> None:
    number = re.compile(r'[\w/-]+: "?[\d.]+(Mi|Gi|%)?"?$')
    bare = [
        f"{path.relative_to(POLICIES)}: {line.strip()}"
        for path in POLICIES.rglob("*.yaml")
        for line in path.read_text().splitlines()
        if number.search(line) and not line.strip().startswith("periodSeconds")
    ]
    assert bare == []


def test_two_deployments_in_one_kustomization_are_refused_not_mixed_up(tmp_path: Path) -> None:
    shutil.copytree(POLICIES, tmp_path / "policies")
    shutil.copytree(ROOT / "k8s" / "examples" / "queue-worker", tmp_path / "worker")
    second = (tmp_path / "worker" / "deployment.yaml").read_text().replace("name: queue-worker", "name: other")
    (tmp_path / "worker" / "second.yaml").write_text(second)
    listed = yaml.safe_load((tmp_path / "worker" / "kustomization.yaml").read_text())
    listed["resources"].append("second.yaml")
    listed["components"] = ["../policies/batch"]
    (tmp_path / "worker" / "kustomization.yaml").write_text(yaml.safe_dump(listed))
    done = subprocess.run(
        [Path(sys.executable).parent / "kubectl", "kustomize", tmp_path / "worker"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "multiple matches for selector Deployment" in done.stderr


@pytest.mark.parametrize("kind", USERS)
def test_tuning_begins_with_the_policy_as_it_is_shipped(kind: str) -> None:
    spec = find(kind, "HorizontalPodAutoscaler")["spec"]
    shipped, known = of_hpa(spec), TYPES[WorkloadType(kind)]
    assert (known.behaviour.up, known.behaviour.down, known.behaviour.min_pods) == (
        shipped.up,
        shipped.down,
        shipped.min_pods,
    )
    assert known.price == LoadForecast.from_object(find(kind, "LoadForecast")).spec.objective.price
    cpu = [one["containerResource"]["target"]["averageUtilization"] for one in spec["metrics"][1:]]
    assert cpu == ([] if known.cpu_target is None else [100 * known.cpu_target])
