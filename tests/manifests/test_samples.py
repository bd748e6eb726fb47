"""The manifests of the sample framework: valid, of one piece, and true to the programs that they start."""

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import promql_parser
import pytest
import yaml

from app.workloads.spec import KIND, LoadForecast
from tests.manifests.test_rendered_manifests import KUBERNETES, OF_CONTROLLERS, pod_template
from tracing.mcp import names

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "examples" / "mcp" / "k8s"
TREES = ["base", "local"]
WORKLOADS = ["mcp-registry", "mcp-catalog", "mcp-workshop", "mcp-agent"]
TYPES = {"registry": "registry", "catalog": "stateless", "workshop": "stateful", "agent": "agent"}
IN_FLIGHT = {
    "mcp-catalog": names.SERVER_ACTIVE_OPERATIONS.name.replace(".", "_"),
    "mcp-workshop": names.SERVER_ACTIVE_OPERATIONS.name.replace(".", "_"),
    "mcp-registry": "http_server_active_requests",  # FastAPI's own
    "mcp-agent": "http_server_active_requests",
}
Manifest = dict[str, Any]


@functools.cache
def rendered(folder: Path) -> tuple[Manifest, ...]:
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def find(tree: str, kind: str, name: str) -> Manifest:
    (found,) = [one for one in rendered(SAMPLES / tree) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def container_of(tree: str, name: str) -> Manifest:
    (container,) = pod_template(find(tree, "Deployment", name))["spec"]["containers"]
    found: Manifest = container
    return found


@pytest.mark.parametrize("tree", TREES)
def test_every_object_is_valid_by_kubernetes_own_schema(tree: str) -> None:
    for manifest in rendered(SAMPLES / tree):
        if manifest["kind"] not in (KIND, "PodMonitor", "VerticalPodAutoscaler"):
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("tree", TREES)
def test_every_object_says_what_it_is_part_of(tree: str) -> None:
    for manifest in rendered(SAMPLES / tree):
        assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "mcp-samples"


def test_each_file_holds_one_object_is_named_by_its_kind_and_is_used() -> None:
    for kustomization in SAMPLES.rglob("kustomization.yaml"):
        listed = yaml.safe_load(kustomization.read_text())
        used = {name for name in listed["resources"] if name.endswith(".yaml")}
        used |= {patch["path"] for patch in listed.get("patches", []) if "path" in patch}
        assert used == {path.name for path in kustomization.parent.glob("*.yaml")} - {"kustomization.yaml"}
        for name in used:
            (document,) = yaml.safe_load_all((kustomization.parent / name).read_text())
            assert name.startswith(document["kind"].lower()), name


@pytest.mark.parametrize("tree", TREES)
def test_pods_keep_to_the_restricted_standard_and_write_nowhere_but_tmp(tree: str) -> None:
    for manifest in rendered(SAMPLES / tree):
        if manifest["kind"] not in OF_CONTROLLERS:
            continue
        spec = pod_template(manifest)["spec"]
        assert (spec["securityContext"]["runAsNonRoot"], spec["automountServiceAccountToken"]) == (True, False)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
            writable = [one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")]
            assert writable == ["/tmp"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workloads_objects_are_about_the_same_pods(name: str) -> None:
    deployment = find("base", "Deployment", name)
    template = pod_template(deployment)
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        find("base", "Service", name)["spec"]["selector"],
        find("base", "PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"],
        find("base", "PodMonitor", name)["spec"]["selector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in template["spec"]["topologySpreadConstraints"]),
    ]
    assert all(selector == {"app.kubernetes.io/name": name} for selector in selectors)
    assert selectors[0].items() <= template["metadata"]["labels"].items()
    assert template["spec"]["serviceAccountName"] == find("base", "ServiceAccount", name)["metadata"]["name"]
    ports = {one["name"]: one["containerPort"] for one in container_of("base", name)["ports"]}
    assert {f"--port={ports['http']}", f"--metrics-port={ports['metrics']}"} <= set(container_of("base", name)["args"])
    assert find("base", "Service", name)["spec"]["ports"][0]["targetPort"] == "http"
    assert find("base", "PodMonitor", name)["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_that_stops_has_time_for_its_calls(name: str) -> None:
    container = container_of("base", name)
    (drain,) = [int(one.partition("=")[2]) for one in container["args"] if one.startswith("--drain-seconds=")]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = pod_template(find("base", "Deployment", name))["spec"]["terminationGracePeriodSeconds"]
    assert grace >= before + drain + 10  # the last spans take up to ten


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_hpa_scales_on_the_forecast_of_operations_in_flight(name: str) -> None:
    forecast = LoadForecast.from_object(find("base", KIND, name))
    hpa = find("base", "HorizontalPodAutoscaler", name)["spec"]
    assert hpa["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert "replicas" not in find("base", "Deployment", name)["spec"]
    load, cpu = hpa["metrics"]
    assert load["external"]["metric"]["name"] == forecast.name == forecast.spec.target_ref.name
    assert float(load["external"]["target"]["averageValue"]) == forecast.spec.capacity_per_pod
    assert cpu["containerResource"]["container"] == container_of("base", name)["name"]
    assert forecast.spec.bounds.minimum == hpa["minReplicas"] * forecast.spec.capacity_per_pod
    down = hpa["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
    assert find("base", KIND, name)["spec"]["scaleDownStabilizationSeconds"] == down


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_forecasts_query_reads_what_the_program_emits(name: str) -> None:
    demand = find("base", KIND, name)["spec"]["demand"]
    promql_parser.parse(demand["query"])
    assert IN_FLIGHT[name] in demand["query"]
    assert demand["seriesLabels"] == {"namespace": "mcp", "service": name}
    (relabeling,) = find("base", "PodMonitor", name)["spec"]["podMetricsEndpoints"][0]["relabelings"]
    assert relabeling["targetLabel"] == "service"


@pytest.mark.parametrize("tree", TREES)
def test_the_forecasts_fit_the_custom_resource(tree: str) -> None:
    crd = yaml.safe_load((ROOT / "k8s" / "base" / "crd-loadforecasts.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    forecasts = [one for one in rendered(SAMPLES / tree) if one["kind"] == KIND]
    assert len(forecasts) == len(WORKLOADS)
    for forecast in forecasts:
        jsonschema.validate(forecast["spec"], schema["properties"]["spec"])


def test_forecasts_of_one_kind_share_one_query() -> None:
    queries = {find("base", KIND, name)["spec"]["demand"]["query"] for name in WORKLOADS}
    assert len(queries) == 2


def test_every_sample_uses_the_policy_of_its_type_and_has_no_other() -> None:
    used = {name: yaml.safe_load((SAMPLES / "base" / name / "kustomization.yaml").read_text()) for name in TYPES}
    assert {name: [Path(one).name for one in each["components"]] for name, each in used.items()} == {
        name: [kind] for name, kind in TYPES.items()
    }
    for name in TYPES:
        template = pod_template(yaml.safe_load((SAMPLES / "base" / name / "deployment.yaml").read_text()))
        own = {"affinity", "tolerations", "topologySpreadConstraints", "terminationGracePeriodSeconds"}
        assert not own & template["spec"].keys()


@pytest.mark.parametrize("name", ["mcp-catalog", "mcp-workshop"])
def test_replicas_share_the_key_of_request_state_and_answer_under_the_services_names(name: str) -> None:
    container = container_of("base", name)
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    (key,) = [one.partition("=")[2] for one in container["args"] if one.startswith("--state-key-file=")]
    assert str(Path(key).parent) in mounts
    host = f"{name}.mcp.svc.cluster.local"
    assert f"--allowed-host={host}" in container["args"]
    assert f"--public-url=http://{host}/mcp" in container["args"]


def test_what_the_pods_mount_is_what_the_readme_tells_to_create() -> None:
    text = (SAMPLES / "README.md").read_text()
    secrets = {
        volume["secret"]["secretName"]
        for name in WORKLOADS
        for volume in pod_template(find("base", "Deployment", name))["spec"]["volumes"]
        if "secret" in volume
    }
    assert secrets | {"registry-database"} == {
        line.split()[6] for line in text.splitlines() if line.startswith("kubectl -n mcp create secret generic")
    }


def test_a_registry_with_a_database_of_its_own_is_alone() -> None:
    variables = {one["name"]: one for one in container_of("local", "mcp-registry")["env"]}
    assert variables["DATABASE_URL"]["value"].startswith("sqlite:///")
    assert "valueFrom" not in variables["DATABASE_URL"]
    assert find("local", "HorizontalPodAutoscaler", "mcp-registry")["spec"]["maxReplicas"] == 1
    assert find("local", "Deployment", "mcp-registry")["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_roles_table_of_the_mesh_knows_the_pods_as_they_are(name: str) -> None:
    table = yaml.safe_load((ROOT / "mesh" / "roles" / "roles.yaml").read_text())
    (known,) = [one for one in table["workloads"] if one["name"] == name]
    template = pod_template(find("base", "Deployment", name))
    assert (known["namespace"], known["serviceAccount"]) == ("mcp", template["spec"]["serviceAccountName"])
    assert known["labels"].items() <= template["metadata"]["labels"].items()
    ports = {one["containerPort"] for one in container_of("base", name)["ports"]}
    assert set(known["ports"].values()) <= ports
