"""The trees on an empty kube-apiserver: applied, upgraded, and taken away with nothing left and nothing that hangs."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cluster.connection import KubernetesApi, connect
from app.cluster.doctor import Finding, Patient, diagnose
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import ACCOUNT, NAMESPACE, ROOT
from tests.e2e.installation.trees import API, CRD, apply, inventory, namespace, remove, upgrade


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


def test_an_objective_can_be_changed_to_the_other_kind_also_where_an_older_definition_wrote_its_default(
    bare: ControlPlane, tmp_path: Path
) -> None:
    """The default is stored, and nobody owns it: without the definition's help both would be there."""
    shipped = (ROOT / CRD).read_text()
    older = shipped.replace("x-kubernetes-map-type: atomic", "default: {missingPodPrice: 20}")
    assert older != shipped
    (tmp_path / "older.yaml").write_text(older)
    try:
        _define(bare, tmp_path / "older.yaml")
        bare.apply(_loadforecast())
        assert _objective(bare) == {"missingPodPrice": 20}
        _define(bare, ROOT / CRD)
        for objective in ({"overloadBudget": "0.02"}, {"missingPodPrice": 7}, {"overloadBudget": "0.1"}):
            bare.apply(_loadforecast(objective=objective))
            assert _objective(bare) == objective
        bare.apply(_loadforecast())
        assert _objective(bare) is None
    finally:
        bare.kubectl("delete", "-f", str(ROOT / CRD), "--ignore-not-found")


def _define(plane: ControlPlane, path: Path) -> None:
    plane.kubectl("apply", "--server-side", "-f", str(path))
    plane.kubectl("wait", "--for=condition=Established", f"--filename={path}", "--timeout=30s")


def _objective(plane: ControlPlane) -> object:
    return plane.get("loadforecast", "web", "-n", "default")["spec"].get("objective")


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


def _loadforecast(**more: object) -> dict[str, Any]:
    spec = {"targetRef": {"name": "web"}, "demand": {"query": "up"}, "capacityPerPod": 1} | more
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": "forescale.dev/v1alpha1", "kind": "LoadForecast", "metadata": metadata, "spec": spec}


def test_a_namespace_that_is_deleted_first_hangs_until_the_apiservice_goes_and_the_doctor_says_so(
    bare: ControlPlane, before: set[str], trees: dict[str, Path]
) -> None:
    """Also every other namespace: its content cannot be listed while a group does not answer."""
    upgrade(bare, trees["local"])
    bare.apply(namespace("bystander"))
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
