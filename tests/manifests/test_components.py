"""Each component by itself on the production overlay: it renders, is valid, and has what it needs."""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.settings import Settings
from tests.manifests.test_rendered_manifests import KUBERNETES, pod_template

K8S = Path(__file__).parents[2] / "k8s"
COMPONENTS = sorted(path.parent.name for path in (K8S / "components").glob("*/kustomization.yaml"))
CORE = ("v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1")
Manifest = dict[str, Any]


@functools.cache
def rendered(*components: str, overlay: str = "production") -> tuple[Manifest, ...]:
    """An overlay with components."""
    with tempfile.TemporaryDirectory() as folder:
        up = os.path.relpath(K8S.resolve(), Path(folder).resolve())
        tree = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{up}/overlays/{overlay}"],
            "components": [f"{up}/components/{one}" for one in components],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(tree))
        kubectl = Path(sys.executable).parent / "kubectl"
        done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.safe_load_all(done.stdout) if one)


def find(objects: tuple[Manifest, ...], kind: str, name: str = "forescale") -> Manifest:
    (found,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def environment(objects: tuple[Manifest, ...]) -> dict[str, str]:
    data: dict[str, str] = find(objects, "ConfigMap")["data"]
    return data


def mounts(objects: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """Path -> volume of the service's container."""
    spec = pod_template(find(objects, "Deployment"))["spec"]
    volumes = {one["name"]: one for one in spec["volumes"]}
    return {one["mountPath"]: volumes[one["name"]] for one in spec["containers"][0]["volumeMounts"]}


@pytest.mark.parametrize("name", [one for one in COMPONENTS if one not in ("cert-manager", "own-certificates")])
def test_a_component_renders_on_production_and_is_valid(name: str) -> None:
    needed = ("prices",) if name == "expander" else ()
    for manifest in rendered(*needed, name):
        if manifest["apiVersion"] in CORE:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    known = {f"FORESCALE_{one.upper()}" for one in Settings.model_fields}
    assert environment(rendered(*needed, name)).keys() <= known


def test_every_component_is_in_the_table() -> None:
    page = (K8S / "components" / "README.md").read_text()
    assert [one for one in COMPONENTS if f"\n| {one} |" not in page] == []


def test_with_keda_the_api_is_left_to_it_and_its_port_is_open_to_who_has_a_certificate() -> None:
    objects = rendered("keda", overlay="local")
    assert [one for one in objects if one["kind"] == "APIService"] == []
    settings = environment(objects)
    (port,) = [one for one in find(objects, "Service")["spec"]["ports"] if one["name"] == "grpc"]
    ports = pod_template(find(objects, "Deployment"))["spec"]["containers"][0]["ports"]
    assert {one["name"]: str(one["containerPort"]) for one in ports}[port["targetPort"]] == settings[
        "FORESCALE_KEDA_PORT"
    ]
    assert int(settings["FORESCALE_KEDA_PORT"]) in [one["port"] for one in _ingress(objects)]
    assert _is_mounted(settings["FORESCALE_KEDA_CLIENT_CA_FILE"], objects)
    for kind in ("Job", "CronJob"):
        (container,) = pod_template(find(objects, kind, "forescale-certificates"))["spec"]["containers"]
        assert container["args"] == ["certificates", "--no-apiservice"]


def test_forwarding_verifies_whom_it_asks_and_has_the_right_to_read_there() -> None:
    objects = rendered("forward")
    settings = environment(objects)
    assert settings["FORESCALE_FORWARD_URL"].startswith("https://")
    assert _is_mounted(settings["FORESCALE_FORWARD_CA_FILE"], objects)
    binding = find(objects, "ClusterRoleBinding", "forescale-forward")
    assert find(objects, "ClusterRole", binding["roleRef"]["name"])["rules"][0]["verbs"] == ["get", "list"]


def test_the_small_prometheus_is_what_the_service_asks_and_may_reach() -> None:
    objects = rendered("small-prometheus")
    assert environment(objects)["FORESCALE_PROMETHEUS_URL"] == "http://prometheus.forescale.svc:9090"
    assert find(objects, "Service", "prometheus")["spec"]["ports"][0]["port"] == 9090
    labels = pod_template(find(objects, "Deployment", "prometheus"))["metadata"]["labels"]
    rules = [one for one in find(objects, "NetworkPolicy")["spec"]["egress"] if "to" in one]
    assert {"podSelector": {"matchLabels": labels}} in [to for one in rules for to in one["to"]]


def test_with_tracing_spans_go_to_the_agents_that_it_brings() -> None:
    objects = rendered("tracing")
    env = {
        one["name"]: one.get("value")
        for one in pod_template(find(objects, "Deployment"))["spec"]["containers"][0]["env"]
    }
    agent = find(objects, "Service", "agent")
    port = next(one["port"] for one in agent["spec"]["ports"] if one["port"] == 4318)
    host = f"agent.{agent['metadata']['namespace']}.svc.cluster.local"
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://{host}:{port}"
    assert 4318 in [p["port"] for rule in find(objects, "NetworkPolicy")["spec"]["egress"] for p in rule["ports"]]


def test_the_demo_asks_of_an_hpas_pod_what_its_loadforecast_says() -> None:
    objects = rendered(overlay="demo")
    for forecast in (one for one in objects if one["kind"] == "LoadForecast"):
        hpa = find(objects, "HorizontalPodAutoscaler", forecast["metadata"]["name"])
        (metric,) = [one["external"] for one in hpa["spec"]["metrics"] if one["type"] == "External"]
        assert metric["target"]["averageValue"] == str(forecast["spec"]["capacityPerPod"])


def _ingress(objects: tuple[Manifest, ...]) -> list[Manifest]:
    return [port for rule in find(objects, "NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]


def _is_mounted(file: str, objects: tuple[Manifest, ...]) -> bool:
    volume = mounts(objects)[str(Path(file).parent)]
    return Path(file).name in [one["path"] for one in volume["secret"]["items"]]
