"""The trees on an empty kube-apiserver: applied, upgraded, and taken away with nothing left and nothing that hangs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cluster.connection import KubernetesApi, connect
from app.cluster.doctor import Finding, Patient, diagnose
from tests.e2e.harness import definitions
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import ACCOUNT, NAMESPACE, ROOT

API = "v1beta1.external.metrics.k8s.io"
CRD = "k8s/base/crd-loadforecasts.yaml"
SECONDS_TO_GO = 60
COMPONENTS = sorted(path.parent.name for path in (ROOT / "k8s" / "components").glob("*/kustomization.yaml"))
APART = {"own-certificates", "keda"}  # cert-manager and `forward` are their alternatives
FOREIGN = ("events", "leases.", "endpointslices.", "endpoints", "apiservices.", "ipaddresses.", "nodes")
OURS = "external.metrics.k8s.io"


def everything(folder: Path) -> Path:
    """An overlay of production with every component that can be beside the others."""
    up = Path(*[".."] * len(folder.resolve().parts[1:])) / ROOT.relative_to("/") / "k8s"
    named = [f"{up}/nodes/{one}" for one in ("headroom", "balloons")]
    named += [f"{up}/components/{one}" for one in COMPONENTS if one not in APART | {"cert-manager"}]
    tree = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{up}/overlays/production"],
        "components": named,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(tree))
    return folder


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        "demo": ROOT / "k8s" / "overlays" / "demo",
        "local": ROOT / "k8s" / "overlays" / "local",
        "everything": everything(tmp_path_factory.mktemp("everything")),
    }


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, trees: dict[str, Path]) -> Iterator[ControlPlane]:
    """A control plane with the definitions of others and the namespaces of others, and nothing of ours."""
    plane = ControlPlane.start(tmp_path_factory.mktemp("bare"), pod_start_seconds=None)
    try:
        objects = [one for tree in trees.values() for one in yaml.safe_load_all(plane.kubectl("kustomize", str(tree)))]
        definitions.install_for(plane, {(one["apiVersion"].partition("/")[0], one["kind"]) for one in objects})
        plane.apply(*(_namespace(name) for name in ("monitoring", "istio-system")))
        yield plane
    finally:
        plane.stop()


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def inventory(plane: ControlPlane) -> set[str]:
    """kind.group/name, with the namespace, of all there is, but for what controllers make and take by themselves."""
    kinds = plane.kubectl("api-resources", "--verbs=list,delete", "-o", "name").split()
    kinds = [one for one in kinds if not one.startswith(FOREIGN)] + ["apiservices.apiregistration.k8s.io"]
    form = "{range .items[*]}{.apiVersion}/{.kind}/{.metadata.namespace}/{.metadata.name}{'\\n'}{end}"
    lines = plane.kubectl("get", ",".join(kinds), "-A", "-o", f"jsonpath={form}").splitlines()
    return {one for one in lines if "/APIService/" not in one or OURS in one}


def apply(plane: ControlPlane, tree: Path) -> None:
    """As the README says it: the definition first, since kubectl creates nothing of a kind that it does not know."""
    plane.kubectl("apply", "--server-side", "-f", str(ROOT / CRD))
    plane.kubectl("wait", "--for=condition=Established", f"--filename={ROOT / CRD}", "--timeout=30s")
    plane.kubectl("apply", "--server-side", "-k", str(tree))


def upgrade(plane: ControlPlane, tree: Path) -> None:
    """As docs/operations.md says it."""
    plane.kubectl("-n", NAMESPACE, "delete", "job", "forescale-certificates", "--ignore-not-found")
    apply(plane, tree)


def remove(plane: ControlPlane, tree: Path) -> None:
    """As docs/operations.md says it, but waiting once for all. Raises where a namespace does not go."""
    plane.kubectl("delete", "apiservice", API, "--ignore-not-found")
    plane.kubectl("delete", "-k", str(tree), "--ignore-not-found", "--wait=false")
    names = [f"namespace/{name}" for name in namespaces_of(plane, tree)]
    plane.kubectl("wait", "--for=delete", *names, f"--timeout={SECONDS_TO_GO}s", seconds=90)


def namespaces_of(plane: ControlPlane, tree: Path) -> list[str]:
    """Those that a tree brings."""
    objects = yaml.safe_load_all(plane.kubectl("kustomize", str(tree)))
    return sorted(one["metadata"]["name"] for one in objects if one["kind"] == "Namespace")


@pytest.fixture(scope="module")
def before(bare: ControlPlane) -> set[str]:
    return inventory(bare)


@pytest.mark.parametrize("tree", ["demo", "everything"])
def test_a_tree_goes_as_it_came(bare: ControlPlane, before: set[str], trees: dict[str, Path], tree: str) -> None:
    apply(bare, trees[tree])
    assert f"v1/Namespace//{NAMESPACE}" in inventory(bare) - before
    remove(bare, trees[tree])
    wait_until(lambda: inventory(bare) == before, seconds=30, what="all that came is gone")


def test_an_upgrade_keeps_what_is_the_users_and_what_was_written_beside_the_tree(
    bare: ControlPlane, trees: dict[str, Path], tmp_path: Path
) -> None:
    """Forecasts, the CA that was written into the APIService, and Secrets; the new image and setting are there."""
    apply(bare, trees["local"])
    bare.apply(_loadforecast())
    bundle = json.dumps({"spec": {"caBundle": bare.ca_bundle()}})
    bare.kubectl("patch", "apiservice", API, "--type=merge", "--field-manager=certificates", "-p", bundle)
    bare.kubectl("-n", NAMESPACE, "create", "secret", "generic", "forescale-ca", "--from-literal=ca.crt=x")
    uid = bare.get("loadforecast", "web", "-n", "default")["metadata"]["uid"]
    upgrade(bare, _newer(trees["local"], tmp_path))
    container = bare.get("deployment", "forescale", "-n", NAMESPACE)["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].endswith(":0.2.0")
    assert bare.get("configmap", "forescale", "-n", NAMESPACE)["data"]["FORESCALE_HISTORY_DAYS"] == "9"
    assert bare.get("loadforecast", "web", "-n", "default")["metadata"]["uid"] == uid
    assert bare.get("apiservice", API)["spec"]["caBundle"] == bare.ca_bundle()
    assert bare.get("secret", "forescale-ca", "-n", NAMESPACE)["data"]


def _newer(tree: Path, folder: Path) -> Path:
    up = Path(*[".."] * len(folder.resolve().parts[1:])) / tree.relative_to("/")
    change = "- {op: replace, path: /data/FORESCALE_HISTORY_DAYS, value: '9'}"
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(up)],
        "images": [{"name": "ghcr.io/forescale/forescale", "newTag": "0.2.0"}],
        "patches": [{"target": {"kind": "ConfigMap", "name": "forescale"}, "patch": change}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return folder


def _loadforecast() -> dict[str, Any]:
    spec = {"targetRef": {"name": "web"}, "demand": {"query": "up"}, "capacityPerPod": 1}
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": "forescale.dev/v1alpha1", "kind": "LoadForecast", "metadata": metadata, "spec": spec}


def test_a_namespace_that_is_deleted_first_hangs_until_the_apiservice_goes_and_the_doctor_says_so(
    bare: ControlPlane, before: set[str], trees: dict[str, Path]
) -> None:
    """Also every other namespace: its content cannot be listed while a group does not answer."""
    upgrade(bare, trees["local"])
    bare.apply(_namespace("bystander"))
    bare.kubectl("delete", "namespace", NAMESPACE, "bystander", "--wait=false")
    wait_until(lambda: "bystander" in _stuck(bare).text, seconds=60, what="the doctor sees namespaces that hang")
    assert NAMESPACE in _stuck(bare).text
    assert _stuck(bare).remedy.startswith(f"kubectl delete apiservice {API}")
    bare.kubectl("delete", "apiservice", API)
    bare.kubectl("wait", "--for=delete", f"namespace/{NAMESPACE}", "namespace/bystander", "--timeout=60s", seconds=90)
    remove(bare, trees["local"])
    wait_until(lambda: inventory(bare) == before, seconds=30, what="all that came is gone")


def _stuck(plane: ControlPlane) -> Finding:
    patient = Patient(KubernetesApi(connect(plane.admin)), NAMESPACE, ACCOUNT, None, "", time.time)
    found = [one for one in diagnose(patient) if (one.subject, one.level) == ("namespaces", "error")]
    return found[0] if found else Finding("ok", "namespaces", "")
