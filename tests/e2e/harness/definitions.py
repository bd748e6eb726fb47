"""Custom resource definitions of others, out of the Go modules that bring them (parts/crds)."""

import functools
import json
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.processes import wait_until

PARTS = Path(__file__).parents[1] / "parts" / "crds"
_FILES = {
    "github.com/cert-manager/cert-manager": "deploy/crds/*.yaml",
    "github.com/open-telemetry/opentelemetry-operator": "config/crd/bases/*.yaml",
    "github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd/*.yaml",
    "istio.io/api": "kubernetes/customresourcedefinitions.gen.yaml",
    "k8s.io/autoscaler/vertical-pod-autoscaler": "deploy/vpa-v1-crd-gen.yaml",
}


def install(plane: ControlPlane, *names: str) -> None:
    """Applies definitions by name, such as podmonitors.monitoring.coreos.com, and waits until they are served."""
    for name in names:
        (definition,) = (one for one in _definitions() if f"\n  name: {name}\n" in one)
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=definition)
    wait_until_served(plane, *names)


def install_for(plane: ControlPlane, kinds: Collection[tuple[str, str]]) -> None:
    """Applies the definitions of kinds, as (group, kind), that a module brings; others are left to the caller."""
    wanted = [
        one
        for one in _definitions()
        if any(f"\n  group: {group}\n" in one and f"\n    kind: {kind}\n" in one for group, kind in kinds)
    ]
    plane.kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(wanted))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", seconds=90)


@functools.cache
def _definitions() -> tuple[str, ...]:
    """The text of every definition."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", *_FILES],
        cwd=PARTS,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    folders = {one["Path"]: Path(one["Dir"]) for one in _documents(done.stdout)}
    texts = [path.read_text() for module, files in _FILES.items() for path in folders[module].glob(files)]
    return tuple(one for text in texts for one in text.split("\n---\n"))


def wait_until_served(plane: ControlPlane, *names: str) -> None:
    """Waits for definitions that were just applied."""
    for name in names:
        wait_until(functools.partial(_served, plane, name), seconds=30, what=f"{name} is served")


def _served(plane: ControlPlane, name: str) -> bool:
    conditions = plane.get("crd", name)["status"]["conditions"] or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _documents(text: str) -> list[dict[str, Any]]:
    """JSON objects one after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        one, at = decoder.raw_decode(text, at)
        found.append(one)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found
