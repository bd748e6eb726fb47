"""The vertical autoscaler as it is installed, and rules that every VerticalPodAutoscaler of the repository keeps."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.test_rendered_manifests import pod_template
from tests.manifests.test_samples import rendered

ROOT = Path(__file__).parents[2]
NAMESPACE = "vertical-pod-autoscaler"
PROGRAMS = ["recommender", "updater", "admission-controller"]
SIDECARS = ["istio-proxy", "linkerd-proxy"]
CACHE_FOLDERS = {".venv", "build", "node_modules"}
Manifest = dict[str, Any]
Find = Callable[[str, str, str], Manifest]


def container_of(find: Find, program: str) -> Manifest:
    (container,) = pod_template(find("vpa/base", "Deployment", f"vpa-{program}"))["spec"]["containers"]
    found: Manifest = container
    return found


def flags(find: Find, program: str) -> dict[str, str]:
    pairs = (one.removeprefix("--").partition("=") for one in container_of(find, program)["args"])
    return {name: value for name, _, value in pairs}


def test_the_recommender_reads_as_much_past_as_it_weighs(find: Find) -> None:
    given = flags(find, "recommender")
    labels = re.search(r"\[(\d+d):1h\]$", given["metric-for-pod-labels"])
    assert labels is not None
    assert labels.group(1) == given["history-length"] == f"{given['memory-aggregation-interval-count']}d"
    assert given["memory-aggregation-interval"] == "24h"
    assert given["storage"] == "prometheus"


def test_labels_that_workloads_are_selected_by_get_their_names_back(find: Find) -> None:
    """kube-state-metrics writes . and / as _; a selector on the original finds nothing of the past otherwise."""
    given = flags(find, "recommender")
    prefix, wanted = given["pod-label-prefix"], "app.kubernetes.io/name"
    assert f'"{prefix}{wanted}", "$1", "{prefix}{re.sub("[./]", "_", wanted)}"' in given["metric-for-pod-labels"]
    for tree, vpa in all_vpas():
        (deployment,) = [one for one in rendered(tree) if targeted_by(vpa, one)]
        assert deployment["spec"]["selector"]["matchLabels"].keys() <= {wanted, "app", "component"}, tree


def test_prometheus_is_where_the_service_looks_for_it_too(find: Find) -> None:
    address = find("base", "ConfigMap", "forescale")["data"]["FORESCALE_PROMETHEUS_URL"]
    assert flags(find, "recommender")["prometheus-address"] == address
    rules = find("vpa/base", "NetworkPolicy", "vpa-recommender")["spec"]["egress"]
    assert {"port": 9090, "protocol": "TCP"} in [port for rule in rules for port in rule["ports"]]


def test_leases_are_taken_where_the_roles_allow_it(find: Find) -> None:
    for program in ("recommender", "updater"):
        given = flags(find, program)
        rules = find("vpa/base", "Role", f"vpa-{program}")["rules"]
        assert given["leader-elect-resource-namespace"] == NAMESPACE
        assert [given["leader-elect-resource-name"]] in [rule.get("resourceNames") for rule in rules]
    watched = find("vpa/base", "Role", "vpa-updater")["rules"]
    assert ["vpa-admission-controller"] in [rule.get("resourceNames") for rule in watched]
    for program in ("updater", "admission-controller"):  # both look for that lease in the namespace that they are told
        assert [one["name"] for one in container_of(find, program)["env"]] == ["NAMESPACE"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_account_rights_budget_and_policy_are_of_the_one_deployment(find: Find, program: str) -> None:
    name = f"vpa-{program}"
    deployment = find("vpa/base", "Deployment", name)
    labels = pod_template(deployment)["metadata"]["labels"]
    assert pod_template(deployment)["spec"]["serviceAccountName"] == name
    for kind, target in (("ClusterRoleBinding", "ClusterRole"), ("RoleBinding", "Role")):
        binding = find("vpa/base", kind, name)
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == (target, name)
        subject = {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}
        assert binding["subjects"] == [subject]
        assert subject in find("vpa/base", "ClusterRoleBinding", "vpa-targets")["subjects"]
    policy = find("vpa/base", "NetworkPolicy", name)["spec"]
    for selector in (
        policy["podSelector"]["matchLabels"],
        find("vpa/base", "PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"],
        deployment["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    ports = {one["containerPort"] for one in container_of(find, program)["ports"]}
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == ports


def test_only_who_must_may_change_anything(find: Find) -> None:
    changing = {"create", "update", "patch", "delete"}
    given = {
        (role, resource)
        for role in ("targets", *PROGRAMS)
        for rule in find("vpa/base", "ClusterRole", f"vpa-{role}")["rules"]
        for resource in rule["resources"]
        if changing & set(rule["verbs"])
    }
    assert given == {
        ("recommender", "verticalpodautoscalers/status"),
        ("updater", "pods"),
        ("updater", "pods/resize"),
        ("updater", "pods/eviction"),
        ("updater", "events"),
        ("admission-controller", "mutatingwebhookconfigurations"),
    }


def test_the_webhooks_certificate_is_what_its_pods_mount_and_its_service_is_called(find: Find) -> None:
    certificate = find("vpa/cert-manager", "Certificate", "vpa-webhook")["spec"]
    pod = pod_template(find("vpa/base", "Deployment", "vpa-admission-controller"))["spec"]
    assert [one["secret"]["secretName"] for one in pod["volumes"]] == [certificate["secretName"]]
    given = flags(find, "admission-controller")
    assert certificate["dnsNames"][0] == f"{given['webhook-service']}.{NAMESPACE}.svc"
    assert find("vpa/base", "Service", given["webhook-service"])["spec"]["ports"][0]["targetPort"] == "webhook"
    assert {"name": "webhook", "containerPort": int(given["port"])} in pod["containers"][0]["ports"]
    (mount,) = pod["containers"][0]["volumeMounts"]
    files = (given[one] for one in ("tls-cert-file", "tls-private-key", "client-ca-file"))
    assert {Path(one).parent.as_posix() for one in files} == {mount["mountPath"]}


def test_a_webhook_that_does_not_answer_holds_up_no_pod_for_long(find: Find) -> None:
    given = flags(find, "admission-controller")
    assert int(given["webhook-timeout-seconds"]) <= 5
    assert given["webhook-failure-policy-fail"] == "false"
    assert NAMESPACE in given["ignored-vpa-object-namespaces"].split(",")


def trees_with_vpas() -> Iterator[Path]:
    """Every kustomization in the repository from which a VPA comes; what is rendered into others is met there too."""
    for path in sorted(ROOT.rglob("kustomization.yaml")):
        parts = path.relative_to(ROOT).parts
        if CACHE_FOLDERS & set(parts) or yaml.safe_load(path.read_text()).get("kind") == "Component":
            continue
        if parts[0] in ("k8s", "examples") and any(
            one["kind"] == "VerticalPodAutoscaler" for one in rendered(path.parent)
        ):
            yield path.parent


def all_vpas() -> list[tuple[Path, Manifest]]:
    return [
        (tree, one) for tree in trees_with_vpas() for one in rendered(tree) if one["kind"] == "VerticalPodAutoscaler"
    ]


def targeted_by(vpa: Manifest, one: Manifest) -> bool:
    target = vpa["spec"]["targetRef"]
    same_place = one["metadata"].get("namespace") == vpa["metadata"].get("namespace")
    return bool(same_place and (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"]))


def test_the_repository_has_vpas() -> None:
    assert len(all_vpas()) >= 5


def test_every_vpa_owns_memory_alone_in_place_and_between_bounds() -> None:
    for tree, vpa in all_vpas():
        policies = vpa["spec"]["resourcePolicy"]["containerPolicies"]
        update = vpa["spec"]["updatePolicy"]
        assert update["updateMode"] == "InPlaceOrRecreate", tree
        assert update["minReplicas"] >= 2, tree
        for one in policies:
            if one["mode"] == "Off":
                continue
            assert one["controlledResources"] == ["memory"], tree
            assert one["minAllowed"].keys() == one["maxAllowed"].keys() == {"memory"}, tree


def test_no_vpa_touches_a_sidecar() -> None:
    for tree, vpa in all_vpas():
        modes = {one["containerName"]: one["mode"] for one in vpa["spec"]["resourcePolicy"]["containerPolicies"]}
        assert {modes.get(sidecar, modes.get("*")) for sidecar in SIDECARS} == {"Off"}, tree


def test_every_vpa_knows_each_container_that_it_is_to_size() -> None:
    for tree, vpa in all_vpas():
        (target,) = [one for one in rendered(tree) if targeted_by(vpa, one)]
        names = {one["name"] for one in pod_template(target)["spec"]["containers"]}
        sized = {
            one["containerName"] for one in vpa["spec"]["resourcePolicy"]["containerPolicies"] if one["mode"] != "Off"
        }
        assert sized <= names, tree


def test_no_hpa_scales_on_what_a_vpa_owns() -> None:
    for tree, vpa in all_vpas():
        target = vpa["spec"]["targetRef"]
        for one in rendered(tree):
            if one["kind"] == "HorizontalPodAutoscaler" and one["spec"]["scaleTargetRef"]["name"] == target["name"]:
                kinds = [metric[metric["type"][0].lower() + metric["type"][1:]] for metric in one["spec"]["metrics"]]
                assert "memory" not in [kind.get("name") for kind in kinds], tree
