"""Every tree under tracing/ renders, is valid Kubernetes, and its objects agree with each other."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.e2e.harness.shipped import TRACING, rendered
from tests.tracing_manifests.conftest import COMPONENTS, TREES, WHOLE_TREES, Manifest, pod_templates, workloads

KUBERNETES = "1.37"
CUSTOM = {"PodMonitor", "OpenTelemetryCollector"}  # the real apiserver sees them
MADE_BY_THE_USER = {"jaeger-storage"}  # credentials of a storage
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def quantity(text: str) -> int:
    return int(text[:-2]) * UNITS[text[-2:]]


@pytest.mark.parametrize("tree", TREES)
def test_every_object_is_valid_by_kubernetes_own_schema(tree: str) -> None:
    for manifest in rendered(tree):
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_folder_with_a_kustomization_is_tested() -> None:
    folders = {path.parent.relative_to(TRACING).as_posix() for path in TRACING.rglob("kustomization.yaml")}
    assert folders == {*TREES, *COMPONENTS}


def test_each_file_is_used_and_each_object_has_a_file_named_by_its_kind() -> None:
    for kustomization in TRACING.rglob("kustomization.yaml"):
        folder = kustomization.parent
        listed = yaml.safe_load(kustomization.read_text())
        objects = {name for name in listed.get("resources", []) if name.endswith(".yaml")}
        patches = {patch["path"] for patch in listed.get("patches", [])}
        data = set(listed.get("configurations", []))
        data |= {name for one in listed.get("configMapGenerator", []) for name in one.get("files", [])}
        files = {path.relative_to(folder).as_posix() for path in folder.glob("*.*")} | {
            path.relative_to(folder).as_posix() for path in folder.glob("config/*")
        }
        assert objects | patches | data == files - {"kustomization.yaml", "README.md"}, folder
        for name in objects:
            (document,) = yaml.safe_load_all((folder / name).read_text())
            assert name.startswith(document["kind"].lower()), name
        for name in patches:
            assert name.partition("-")[0] in {"deployment", *(one["kind"].lower() for one in rendered_kinds(folder))}


def rendered_kinds(folder: Path) -> list[Manifest]:
    tree = folder.relative_to(TRACING).as_posix()
    return list(rendered(tree if tree in TREES else "jaeger/overlays/opensearch")) + list(rendered("collector/base"))


@pytest.mark.parametrize("tree", TREES)
def test_every_object_says_whose_it_is(tree: str) -> None:
    for one in rendered(tree):
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "forescale", one["metadata"]["name"]
        assert one["kind"] in ("Namespace", "ClusterRole", "ClusterRoleBinding") or (
            one["metadata"]["namespace"] == "tracing"
        )


@pytest.mark.parametrize("tree", TREES)
def test_pods_keep_to_the_restricted_standard(tree: str) -> None:
    for template in pod_templates(tree):
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(volume.keys() & {"emptyDir", "secret", "configMap"} for volume in spec.get("volumes", []))
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
            name, _, tag = container["image"].rpartition(":")
            assert name.count("/") == 1
            assert tag not in ("", "latest")


@pytest.mark.parametrize("tree", TREES)
def test_the_go_runtime_collects_before_the_limit_and_probes_name_ports_that_exist(tree: str) -> None:
    for workload in workloads(tree):
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        variables = {one["name"]: one.get("value") for one in container["env"]}
        share = quantity(variables["GOMEMLIMIT"].replace("iB", "i")) / quantity(
            container["resources"]["limits"]["memory"]
        )
        assert 0.75 <= share <= 0.85
        ports = {one["name"] for one in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports


@pytest.mark.parametrize("tree", TREES)
def test_services_budgets_policies_and_monitors_select_pods_that_exist(tree: str) -> None:
    if tree == "collector/overlays/operator":
        labels = [one["metadata"]["labels"] for one in rendered(tree) if one["kind"] == "OpenTelemetryCollector"]
    else:
        labels = [template["metadata"]["labels"] for template in pod_templates(tree)]
    for one in rendered(tree):
        if one["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor"):
            assert any(selector(one).items() <= each.items() for each in labels), one["metadata"]["name"]


def selector(manifest: Manifest) -> dict[str, str]:
    """Labels by which an object selects pods."""
    spec = manifest["spec"]
    found: dict[str, Any] = spec["podSelector"] if "podSelector" in spec else spec["selector"]
    return dict(found.get("matchLabels", found))


@pytest.mark.parametrize("tree", TREES)
def test_ports_of_services_and_monitors_are_those_of_the_containers_and_the_policy_lets_them_in(tree: str) -> None:
    for template in pod_templates(tree):
        labels = template["metadata"]["labels"]
        named = {
            one["name"]: one["containerPort"] for c in template["spec"]["containers"] for one in c.get("ports", [])
        }
        opened = {
            port["port"]
            for policy in selecting(tree, "NetworkPolicy", labels)
            for rule in policy["spec"].get("ingress", [])
            for port in rule["ports"]
        }
        for service in selecting(tree, "Service", labels):
            for port in service["spec"]["ports"]:
                assert named[port["targetPort"]] == port["port"]
                assert port["port"] in opened, service["metadata"]["name"]
        for monitor in selecting(tree, "PodMonitor", labels):
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                assert named[endpoint["port"]] in opened


def selecting(tree: str, kind: str, labels: dict[str, str]) -> list[Manifest]:
    """Objects of a kind that select pods with these labels."""
    return [one for one in rendered(tree) if one["kind"] == kind and selector(one).items() <= labels.items()]


@pytest.mark.parametrize("tree", TREES)
def test_every_pod_has_a_policy_and_an_account_that_exists(tree: str) -> None:
    accounts = {one["metadata"]["name"] for one in rendered(tree) if one["kind"] == "ServiceAccount"}
    for template in pod_templates(tree):
        assert selecting(tree, "NetworkPolicy", template["metadata"]["labels"])
        spec = template["spec"]
        assert spec.get("serviceAccountName", "default") in accounts | {"default"}
        assert spec.get("automountServiceAccountToken") is False or spec["serviceAccountName"] == "agent"


@pytest.mark.parametrize("tree", TREES)
def test_roles_are_bound_to_accounts_that_exist_and_ask_for_no_more_than_reading(tree: str) -> None:
    names = {(one["kind"], one["metadata"]["name"]) for one in rendered(tree)}
    for one in rendered(tree):
        if one["kind"] in ("RoleBinding", "ClusterRoleBinding"):
            assert (one["roleRef"]["kind"], one["roleRef"]["name"]) in names
            assert all((each["kind"], each["name"]) in names for each in one["subjects"])
        if one["kind"] in ("Role", "ClusterRole"):
            assert all(set(rule["verbs"]) <= {"get", "list", "watch"} for rule in one["rules"])


@pytest.mark.parametrize("tree", TREES)
def test_every_config_map_and_secret_that_is_mounted_or_read_is_there(tree: str) -> None:
    maps = {one["metadata"]["name"] for one in rendered(tree) if one["kind"] == "ConfigMap"}
    for template in pod_templates(tree):
        text = json.dumps(template)
        for volume in template["spec"].get("volumes", []):
            assert volume.get("configMap", {}).get("name", "") in maps | {""}
            assert volume.get("secret", {}).get("secretName", "") in MADE_BY_THE_USER | {""}
        for container in template["spec"]["containers"]:
            assert all(one["configMapRef"]["name"] in maps for one in container.get("envFrom", []))
            mounted = {one["name"] for one in container.get("volumeMounts", [])}
            claims = {"queue", "data"}
            assert mounted <= {one["name"] for one in template["spec"].get("volumes", [])} | claims, text[:200]


@pytest.mark.parametrize("tree", TREES)
def test_stateful_sets_have_the_headless_or_plain_service_that_they_name(tree: str) -> None:
    services = {one["metadata"]["name"] for one in rendered(tree) if one["kind"] == "Service"}
    for one in workloads(tree):
        if one["kind"] == "StatefulSet":
            assert one["spec"]["serviceName"] in services


@pytest.mark.parametrize("tree", WHOLE_TREES)
def test_a_whole_tree_can_be_applied_by_itself(tree: str) -> None:
    kinds = [(one["kind"], one["metadata"]["name"]) for one in rendered(tree)]
    assert kinds.count(("Namespace", "tracing")) == 1
    assert {("Service", "agent"), ("Service", "jaeger"), ("Service", "jaeger-collector")} <= set(kinds)
    assert len(kinds) == len(set(kinds))
