"""Every tree renders, is valid Kubernetes, and its parts agree with each other and with the service's settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.cluster.certificates import SERVICE_NAME, Keeping
from app.cluster.permissions import CA_SECRET, EXTERNAL_METRICS_API, SERVING_SECRET
from app.settings import Settings
from app.workloads.spec import KIND, LoadForecast

TREES = ["base", "overlays/local", "overlays/production", "examples/mcp-gateway", "examples/queue-worker"]
TREES += ["monitoring", "monitoring/dashboards", "monitoring/datasources", "monitoring/operator", "monitoring/rules"]
TREES += ["overlays/demo", "vpa/base", "vpa/cert-manager"]
SERVICE_TREES = TREES[:3]
CLOUDS = ["aws", "gcp", "azure", "cluster-api"]
NODE_TREES = [
    "nodes/karpenter/pools",
    "nodes/karpenter/kwok",
    "nodes/cluster-autoscaler/base",
    *(f"nodes/cluster-autoscaler/{cloud}" for cloud in CLOUDS),
]
KUBERNETES = "1.37"
WITHOUT_SCHEMA = {
    "LoadForecast",
    "Certificate",
    "Issuer",
    "VerticalPodAutoscaler",
    "PrometheusRule",
    "ServiceMonitor",
}  # custom resources; the real apiserver sees LoadForecasts
OF_CONTROLLERS = {"Deployment": "spec", "Job": "spec", "CronJob": "spec.jobTemplate.spec"}
Render = Callable[[str], tuple[dict[str, Any], ...]]
Find = Callable[[str, str, str], dict[str, Any]]


def pod_template(manifest: dict[str, Any]) -> dict[str, Any]:
    at: dict[str, Any] = manifest
    for step in OF_CONTROLLERS[manifest["kind"]].split("."):
        at = at[step]
    template: dict[str, Any] = at["template"]
    return template


def pod_templates(render: Render, tree: str) -> list[dict[str, Any]]:
    return [pod_template(one) for one in render(tree) if one["kind"] in OF_CONTROLLERS]


@pytest.mark.parametrize("tree", TREES)
def test_every_object_is_valid_by_kubernetes_own_schema(render: Render, tree: str) -> None:
    for manifest in render(tree):
        if manifest["kind"] not in WITHOUT_SCHEMA:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_folder_with_a_kustomization_is_among_the_trees_or_a_component(k8s: Path) -> None:
    folders = {path.parent.relative_to(k8s).as_posix() for path in k8s.rglob("kustomization.yaml")}
    components = {
        path.parent.relative_to(k8s).as_posix()
        for path in k8s.rglob("kustomization.yaml")
        if yaml.safe_load(path.read_text())["kind"] == "Component"
    }
    assert folders - components == {*TREES, "policies/priorities", *NODE_TREES}


def test_each_file_holds_one_object_is_named_by_its_kind_and_is_used(k8s: Path) -> None:
    for kustomization in k8s.rglob("kustomization.yaml"):
        listed = yaml.safe_load(kustomization.read_text())
        contents = {name for one in listed.get("configMapGenerator", []) for name in one.get("files", [])}
        used = {name for name in listed.get("resources", []) if name.endswith(".yaml")}
        used |= {patch["path"] for patch in listed.get("patches", []) if "path" in patch}
        files = {path.name for path in kustomization.parent.glob("*.yaml")} - {"kustomization.yaml"} - contents
        assert used == files, kustomization
        for name in files:
            documents = list(yaml.safe_load_all((kustomization.parent / name).read_text()))
            assert len(documents) == 1, name
            kind = documents[0]["kind"].lower()
            assert name.startswith("crd-" if kind == "customresourcedefinition" else kind), name


@pytest.mark.parametrize("tree", SERVICE_TREES)
def test_every_object_says_whose_it_is(render: Render, tree: str) -> None:
    unlabelled = [
        (one["kind"], one["metadata"]["name"])
        for one in render(tree)
        if (one["metadata"].get("labels") or {}).get("app.kubernetes.io/part-of") != "forescale"
    ]
    assert unlabelled == []


@pytest.mark.parametrize("tree", TREES)
def test_pods_keep_to_the_restricted_standard(render: Render, tree: str) -> None:
    for template in pod_templates(render, tree):
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(volume.keys() & {"emptyDir", "secret", "configMap"} for volume in spec.get("volumes", []))
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()


@pytest.mark.parametrize("tree", TREES)
def test_images_are_pinned(render: Render, tree: str) -> None:
    for template in pod_templates(render, tree):
        for container in template["spec"]["containers"]:
            name, _, tag = container["image"].rpartition(":")
            registries = {"vpa": ("registry.k8s.io/autoscaling/",)}
            assert name.startswith(registries.get(tree.split("/")[0], ("ghcr.io/forescale/", "quay.io/prometheus/")))
            assert tag not in ("", "latest")


@pytest.mark.parametrize("tree", SERVICE_TREES)
def test_all_pods_run_the_same_image(render: Render, tree: str) -> None:
    images = {one["image"] for template in pod_templates(render, tree) for one in template["spec"]["containers"]}
    assert len(images) == 1


def environment(find: Find, tree: str) -> dict[str, str]:
    container = pod_template(find(tree, "Deployment", "forescale"))["spec"]["containers"][0]
    assert container["envFrom"] == [{"configMapRef": {"name": "forescale"}}]
    data: dict[str, str] = find(tree, "ConfigMap", "forescale")["data"]
    return {**data, **{one["name"]: f"the {one['name']}" for one in container["env"]}}


@pytest.mark.parametrize("tree", SERVICE_TREES)
def test_every_variable_is_a_setting_and_together_they_are_valid(find: Find, tree: str) -> None:
    variables = environment(find, tree)
    fields = {name.removeprefix("FORESCALE_").lower() for name in variables}
    assert fields <= set(Settings.model_fields)
    assert {"pod_name", "pod_namespace"} <= fields
    settings = Settings(**{name.removeprefix("FORESCALE_").lower(): value for name, value in variables.items()})
    assert settings.authentication == "delegated"
    assert settings.port == 6443


def test_the_base_differs_from_the_defaults_only_where_a_pod_needs_it(find: Find) -> None:
    for name, value in environment(find, "base").items():
        field = name.removeprefix("FORESCALE_").lower()
        if field in {"pod_name", "pod_namespace", "tls_cert_file", "tls_key_file"}:
            continue
        default = Settings.model_fields[field].default
        assert type(default)(value) == default, name


def test_no_service_link_can_overwrite_a_setting(render: Render) -> None:
    """Service links of a Service called forescale would set FORESCALE_PORT to tcp://..."""
    for tree in SERVICE_TREES:
        assert all(template["spec"]["enableServiceLinks"] is False for template in pod_templates(render, tree))


def test_port_service_probes_policy_and_apiservice_meet(find: Find) -> None:
    settings_port = Settings.model_fields["port"].default
    deployment = pod_template(find("base", "Deployment", "forescale"))
    container = deployment["spec"]["containers"][0]
    assert container["ports"] == [{"name": "https", "containerPort": settings_port}]
    assert container["args"] == ["serve"]
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "https", "scheme": "HTTPS"}
    service = find("base", "Service", "forescale")["spec"]
    assert (service["ports"][0]["port"], service["ports"][0]["targetPort"]) == (443, "https")
    reference = find("base", "APIService", EXTERNAL_METRICS_API)["spec"]["service"]
    assert reference == {"name": SERVICE_NAME, "namespace": "forescale", "port": 443}
    policy = find("base", "NetworkPolicy", "forescale")["spec"]
    assert policy["ingress"] == [{"ports": [{"port": settings_port, "protocol": "TCP"}]}]
    for selector in (
        service["selector"],
        policy["podSelector"]["matchLabels"],
        find("base", "PodDisruptionBudget", "forescale")["spec"]["selector"]["matchLabels"],
        find("base", "Deployment", "forescale")["spec"]["selector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in deployment["spec"]["topologySpreadConstraints"]),
    ):
        assert selector.items() <= deployment["metadata"]["labels"].items()


def test_jobs_are_not_behind_the_service(render: Render, find: Find) -> None:
    selector = find("overlays/local", "Service", "forescale")["spec"]["selector"]
    behind = [
        one for one in pod_templates(render, "overlays/local") if selector.items() <= one["metadata"]["labels"].items()
    ]
    assert len(behind) == 1


def test_the_api_server_is_never_told_to_skip_verification(find: Find) -> None:
    for tree in SERVICE_TREES:
        spec = find(tree, "APIService", EXTERNAL_METRICS_API)["spec"]
        assert "insecureSkipTLSVerify" not in spec
        assert (spec["group"], spec["version"]) == ("external.metrics.k8s.io", "v1beta1")


def test_time_to_shut_down_is_longer_than_the_delay_after_sigterm(find: Find) -> None:
    delay = float(find("base", "ConfigMap", "forescale")["data"]["FORESCALE_SHUTDOWN_DELAY_SECONDS"])
    grace = pod_template(find("base", "Deployment", "forescale"))["spec"]["terminationGracePeriodSeconds"]
    assert grace >= 2 * delay + 10


def test_both_ways_to_certificates_fill_the_secret_that_the_pods_mount(find: Find) -> None:
    template = pod_template(find("base", "Deployment", "forescale"))
    mounted = [one["secret"]["secretName"] for one in template["spec"]["volumes"] if "secret" in one]
    assert mounted == [SERVING_SECRET]
    certificate = find("overlays/production", "Certificate", "forescale-serving")["spec"]
    assert certificate["secretName"] == SERVING_SECRET
    wanted = Keeping(None, namespace="forescale").dns_names  # type: ignore[arg-type]
    assert certificate["dnsNames"] == wanted
    assert find("overlays/production", "Certificate", "forescale-ca")["spec"]["secretName"] == CA_SECRET
    annotations = find("overlays/production", "APIService", EXTERNAL_METRICS_API)["metadata"]["annotations"]
    assert annotations["cert-manager.io/inject-ca-from"] == "forescale/forescale-serving"


def test_tls_files_lie_where_the_secret_is_mounted(find: Find) -> None:
    container = pod_template(find("base", "Deployment", "forescale"))["spec"]["containers"][0]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    data = find("base", "ConfigMap", "forescale")["data"]
    assert data["FORESCALE_TLS_CERT_FILE"] == f"{mounts['tls']}/tls.crt"
    assert data["FORESCALE_TLS_KEY_FILE"] == f"{mounts['tls']}/tls.key"


def test_two_replicas_survive_a_drain_and_a_rollout(find: Find) -> None:
    for tree in ("base", "overlays/production"):
        spec = find(tree, "Deployment", "forescale")["spec"]
        assert spec["replicas"] >= 2
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert find(tree, "PodDisruptionBudget", "forescale")["spec"]["maxUnavailable"] == 1


def test_the_examples_hpa_target_forecast_and_deployment_are_about_the_same_workload(find: Find) -> None:
    tree, name = "examples/mcp-gateway", "mcp-gateway"
    forecast = LoadForecast.from_object(find(tree, KIND, name))
    hpa = find(tree, "HorizontalPodAutoscaler", name)["spec"]
    deployment = find(tree, "Deployment", name)
    assert hpa["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert forecast.spec.target_ref.name == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]
    cpu, load = hpa["metrics"]
    assert cpu["containerResource"]["container"] == deployment["spec"]["template"]["spec"]["containers"][0]["name"]
    assert load["external"]["metric"]["name"] == forecast.name
    assert load["external"]["target"]["type"] == "AverageValue"
    assert float(load["external"]["target"]["averageValue"]) == forecast.spec.capacity_per_pod
    assert forecast.spec.bounds.minimum == hpa["minReplicas"] * forecast.spec.capacity_per_pod
    assert hpa["behavior"]["scaleUp"]["tolerance"] == "0"
