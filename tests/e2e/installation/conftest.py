"""An empty kube-apiserver that knows the definitions of everybody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.harness import definitions
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.service import ROOT
from tests.e2e.installation.trees import everything, inventory, namespace


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        "demo": ROOT / "k8s" / "overlays" / "demo",
        "local": ROOT / "k8s" / "overlays" / "local",
        "everything": everything(tmp_path_factory.mktemp("everything")),
    }


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory, trees: dict[str, Path]) -> Iterator[ControlPlane]:
    """A control plane with the definitions of others and the namespaces of others, and nothing of ours."""
    plane = ControlPlane.start(tmp_path_factory.mktemp("bare"), pod_start_seconds=None)
    try:
        objects = [one for tree in trees.values() for one in yaml.safe_load_all(plane.kubectl("kustomize", str(tree)))]
        definitions.install_for(plane, {(one["apiVersion"].partition("/")[0], one["kind"]) for one in objects})
        plane.apply(*(namespace(name) for name in ("monitoring", "istio-system")))
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def before(bare: ControlPlane) -> set[str]:
    return inventory(bare)
