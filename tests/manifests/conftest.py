"""The manifests as kubectl would apply them."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[2] / "k8s"
Manifest = dict[str, Any]


@functools.cache
def _render(folder: str) -> tuple[Manifest, ...]:
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", K8S / folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


@pytest.fixture
def k8s() -> Path:
    """The folder of all manifests."""
    return K8S


@pytest.fixture
def render() -> Callable[[str], tuple[Manifest, ...]]:
    """render("base") -> the objects, rendered once per session. They must not be changed."""
    return _render


@pytest.fixture
def composed(tmp_path: Path) -> Callable[..., tuple[Manifest, ...]]:
    """composed("prices", ..., base="base") -> the objects of a tree with these components of k8s/components."""

    def rendered(*components: str, base: str = "base") -> tuple[Manifest, ...]:
        away = Path(os.path.relpath(K8S, tmp_path))
        kustomization = {
            "resources": [str(away / base)],
            "components": [str(away / "components" / name) for name in components],
        }
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return _render.__wrapped__(str(tmp_path))

    return rendered


@pytest.fixture
def find() -> Callable[[str, str, str], Manifest]:
    """find("base", "Deployment", "forescale") -> the object."""

    def one(folder: str, kind: str, name: str) -> Manifest:
        found = [each for each in _render(folder) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
        assert len(found) == 1, f"{len(found)} objects {kind}/{name} in {folder}"
        return found[0]

    return one
