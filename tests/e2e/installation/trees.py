"""The trees of k8s/ on a control plane: applied, upgraded and taken away as the documents say it, and what is there."""

from pathlib import Path
from typing import Any

import yaml

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.service import NAMESPACE, ROOT

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


def namespace(name: str) -> dict[str, Any]:
    """One by its name."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
