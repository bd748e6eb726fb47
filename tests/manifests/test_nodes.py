"""Pools, autoscalers and what holds room: they agree with each other, with the policies of types and with the code."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cluster.expander import EVERYTHING, KEY
from app.cluster.holders import PREFIX, PRIORITY_CLASS, balloons_for
from app.cluster.permissions import PRIORITIES_NAME
from app.settings import Settings
from app.workloads.spec import LoadForecast

Render = Callable[[str], tuple[dict[str, Any], ...]]
Composed = Callable[..., tuple[dict[str, Any], ...]]
Find = Callable[[str, str, str], dict[str, Any]]
POOLS = ("system", "stateless-spot", "stateful-on-demand", "batch-spot")
CLOUDS = {"aws": "aws", "gcp": "gce", "azure": "azure", "cluster-api": "clusterapi"}
AUTOSCALER = "nodes/cluster-autoscaler"
LABEL = "forescale.dev/pool"


def pools(render: Render, tree: str = "nodes/karpenter/pools") -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"] for one in render(tree) if one["kind"] == "NodePool"}


def seconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([smh])", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def flags(manifests: tuple[dict[str, Any], ...]) -> dict[str, str]:
    deployment = next(one for one in manifests if one["kind"] == "Deployment")
    words = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    pairs = [word.removeprefix("--").partition("=")[::2] for word in words]
    assert len({name for name, _ in pairs}) == len(pairs), "a flag is given twice"
    return dict(pairs)


def test_each_pool_keeps_others_out_and_is_found_by_its_name(render: Render) -> None:
    found = pools(render)
    assert set(found) == set(POOLS)
    for name, spec in found.items():
        template = spec["template"]
        assert template["metadata"]["labels"] == {LABEL: name}
        assert {"key": LABEL, "value": name, "effect": "NoSchedule"} in template["spec"]["taints"]


def test_pools_are_of_the_kind_that_their_names_say(render: Render) -> None:
    for name, spec in pools(render).items():
        requirements = {one["key"]: one["values"] for one in spec["template"]["spec"]["requirements"]}
        assert requirements["karpenter.sh/capacity-type"] == (["spot"] if "spot" in name else ["on-demand"]), name


def test_each_pool_has_a_bound_and_a_budget_for_what_moves_at_once(render: Render) -> None:
    for name, spec in pools(render).items():
        assert spec["limits"]["cpu"], name
        assert spec["disruption"]["budgets"], name
        assert all(one["nodes"] != "100%" for one in spec["disruption"]["budgets"]), name


def test_nodes_with_sessions_are_neither_packed_nor_expired(render: Render) -> None:
    spec = pools(render)["stateful-on-demand"]
    assert spec["disruption"]["consolidationPolicy"] == "WhenEmpty"
    assert spec["template"]["spec"]["expireAfter"] == "Never"


TYPES = {"registry": "system", "stateless": "stateless-spot", "stateful": "stateful-on-demand", "batch": "batch-spot"}


@pytest.mark.parametrize(("kind", "pool"), [*TYPES.items(), ("agent", "stateful-on-demand")])
def test_pods_of_a_type_have_time_to_stop_and_outlast_their_hpas_hold_on_its_pool(
    render: Render, k8s: Path, kind: str, pool: str
) -> None:
    spec = pools(render)[pool]
    deployment = yaml.safe_load((k8s / "policies" / kind / "deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    assert pool in [one["value"] for one in pod["tolerations"]]
    assert seconds(spec["template"]["spec"]["terminationGracePeriod"]) >= pod["terminationGracePeriodSeconds"]
    hpa = yaml.safe_load((k8s / "policies" / kind / "horizontalpodautoscaler.yaml").read_text())
    hold = hpa["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
    if kind != "batch":  # whose queue is empty when its node is
        assert seconds(spec["disruption"]["consolidateAfter"]) >= hold


def test_stateless_pods_go_to_spot_first(render: Render) -> None:
    found = pools(render)
    assert found["stateless-spot"]["weight"] > found["stateful-on-demand"]["weight"]


def test_played_nodes_differ_in_their_class_alone(render: Render) -> None:
    real, played = pools(render), pools(render, "nodes/karpenter/kwok")
    for name, spec in played.items():
        given, shipped = copy.deepcopy(spec), copy.deepcopy(real[name])
        assert given["template"]["spec"].pop("nodeClassRef")["kind"] == "KWOKNodeClass"
        assert shipped["template"]["spec"].pop("nodeClassRef")["kind"] == "EC2NodeClass"
        assert given == shipped


def test_the_gpu_pool_is_added_where_it_is_wanted(composed: Composed) -> None:
    found = composed("../nodes/karpenter/gpu", base="nodes/karpenter/pools")
    (gpu,) = [one for one in found if one["metadata"]["name"] == "gpu"]
    keys = {one["key"] for one in gpu["spec"]["template"]["spec"]["taints"]}
    assert keys == {LABEL, "nvidia.com/gpu"}
    assert gpu["spec"]["limits"]["nvidia.com/gpu"]


@pytest.mark.parametrize(("folder", "provider"), CLOUDS.items())
def test_each_cloud_names_itself_and_how_groups_are_found(render: Render, folder: str, provider: str) -> None:
    found = flags(render(f"{AUTOSCALER}/{folder}"))
    assert found["cloud-provider"] == provider
    assert "YOUR-CLUSTER" in found["node-group-auto-discovery"]
    assert found.items() >= flags(render(f"{AUTOSCALER}/base")).items()


def test_the_autoscaler_knows_buffers_balloons_and_long_drains(render: Render, find: Find, k8s: Path) -> None:
    found = flags(render(f"{AUTOSCALER}/base"))
    assert found["capacity-buffer-controller-enabled"] == found["capacity-buffer-pod-injection-enabled"] == "true"
    headroom = yaml.safe_load((k8s / "nodes/balloons/priorityclass-forescale-headroom.yaml").read_text())
    batch = find("policies/priorities", "PriorityClass", "forescale-batch")
    assert int(found["expendable-pods-priority-cutoff"]) == headroom["value"] < batch["value"] < 0
    stateful = yaml.safe_load((k8s / "policies/stateful/deployment.yaml").read_text())
    grace = stateful["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert int(found["max-graceful-termination-sec"]) >= grace


@pytest.mark.parametrize("folder", CLOUDS)
def test_the_grpc_expander_is_asked_first_and_priorities_decide_without_it(
    composed: Composed, k8s: Path, folder: str
) -> None:
    found = flags(composed(f"../{AUTOSCALER}/grpc-expander", base=f"{AUTOSCALER}/{folder}"))
    assert found["expander"].split(",") == ["grpc", "priority", "least-waste"]
    settings = yaml.safe_load((k8s / "components/expander/configmap-expander-settings.yaml").read_text())
    assert found["grpc-expander-url"] == f"forescale.forescale.svc:{settings['data']['FORESCALE_EXPANDER_PORT']}"


def test_priorities_are_read_and_their_writer_is_one(render: Render, composed: Composed) -> None:
    base = render(f"{AUTOSCALER}/base")
    assert not [one for one in base if one["kind"] == "ConfigMap"]
    rules = next(one for one in base if one["kind"] == "Role")["rules"]
    (of_priorities,) = [one for one in rules if one.get("resourceNames") == [PRIORITIES_NAME]]
    assert of_priorities["verbs"] == ["get"]
    static = composed(f"../{AUTOSCALER}/static-priorities", base=f"{AUTOSCALER}/base")
    (config,) = [one for one in static if one["kind"] == "ConfigMap"]
    assert config["metadata"]["name"] == PRIORITIES_NAME
    groups = yaml.safe_load(config["data"][KEY])
    assert groups[min(groups)] == [EVERYTHING]


def test_no_right_is_for_everything(render: Render) -> None:
    for folder in ("base", *CLOUDS):
        for one in render(f"{AUTOSCALER}/{folder}"):
            for rule in one.get("rules", []):
                assert not {"*"} & {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}, folder


def test_the_admission_policy_lets_through_what_the_code_makes_and_no_other_name(
    k8s: Path, make_forecast: Callable[..., LoadForecast]
) -> None:
    """Whether it refuses what it shall is shown by a real API server."""
    expressions = " ".join(one["expression"] for one in balloon_policy(k8s)["validations"])
    assert f"startsWith('{PREFIX}')" in expressions
    assert f"== '{PRIORITY_CLASS}'" in expressions
    pod = balloons_for(make_forecast("web"), pods=1, template={}, image="x")["spec"]["template"]["spec"]
    refused_of_pod = set(re.findall(r"!has\(variables\.pod\.(\w+)\)", expressions))
    refused_of_container = set(re.findall(r"!has\(variables\.container\.(\w+)\)", expressions))
    assert refused_of_pod >= {"initContainers", "volumes", "nodeName"}
    assert refused_of_container >= {"command", "args", "env", "lifecycle", "ports"}
    assert not refused_of_pod & pod.keys()
    assert not refused_of_container & pod["containers"][0].keys()
    for lock, value in (pod["containers"][0]["securityContext"] | pod["securityContext"]).items():
        assert lock in expressions, f"{lock} is {value} in every balloon, and need not be"


def test_the_admission_policy_names_the_image_that_balloons_have(k8s: Path) -> None:
    """First of its variables, where k8s/nodes/README.md replaces it."""
    assert balloon_policy(k8s)["variables"][0] == {
        "name": "image",
        "expression": f"'{Settings.model_fields['balloon_image'].default}'",
    }
    assert "/spec/variables/0/expression" in (k8s / "nodes/README.md").read_text()


def balloon_policy(k8s: Path) -> dict[str, Any]:
    path = k8s / "nodes/balloons/validatingadmissionpolicy-forescale-balloons.yaml"
    spec: dict[str, Any] = yaml.safe_load(path.read_text())["spec"]
    return spec


@pytest.mark.parametrize(("component", "value"), [("headroom", "buffers"), ("balloons", "buffers-and-balloons")])
def test_a_component_switches_on_what_it_gives_rights_for(k8s: Path, component: str, value: str) -> None:
    config = yaml.safe_load((k8s / f"nodes/{component}/configmap-{component}.yaml").read_text())
    assert config["data"] == {"FORESCALE_NODE_HEADROOM": value}
    assert Settings.model_fields["node_headroom"].default == "off"
