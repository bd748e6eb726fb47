"""What a newcomer types after the README, as it stands there, on a cluster where nothing has been installed."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness.control_plane import KUBECTL, ControlPlane
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import NAMESPACE, ROOT
from tests.e2e.installation.trees import inventory, namespace, remove

PRODUCTION = ROOT / "k8s" / "overlays" / "production"
_BLOCK = re.compile(r"```(sh|yaml)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    """Of the README's section on installing, in their order."""
    section = (ROOT / "README.md").read_text().partition("\n## Install it\n")[2].partition("\n## ")[0]
    return [text for kind, text in _BLOCK.findall(section) if kind == language]


def typed(words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """By somebody whose kubectl works, in the clone; ended by the first command that fails."""
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    env |= {"HOME": str(home), "PATH": f"{KUBECTL.parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["/bin/sh", "-e", "-c", words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def home(bare: ControlPlane, before: set[str], tmp_path: Path) -> Iterator[Path]:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_bytes(bare.admin.read_bytes())
    yield tmp_path
    bare.kubectl("delete", "namespace", "mcp", "--ignore-not-found", "--wait=false")
    remove(bare, PRODUCTION)
    wait_until(lambda: inventory(bare) == before, seconds=30, what="all that came is gone")


def test_the_readmes_words_install_the_service_and_its_doctor_says_what_is_missing(
    bare: ControlPlane, home: Path
) -> None:
    """No pod can run here, so the doctor has something to say."""
    (commands,) = blocks("sh")
    install, _, doctor = commands.partition("forescale doctor")
    done = typed(install, home)
    assert done.returncode == 0, done.stderr
    assert bare.get("deployment", "forescale", "-n", NAMESPACE)["spec"]["replicas"]
    asked = typed(f"{install.splitlines()[0]}\nforescale doctor{doctor}", home)
    assert asked.returncode == 1, asked.stderr
    assert re.search(r"^ERROR +\S.*\n +-> kubectl ", asked.stdout, re.MULTILINE), asked.stdout
    workload, scaling = (yaml.safe_load(text) for text in blocks("yaml"))
    bare.apply(namespace("mcp"), workload, _hpa(workload["spec"]["targetRef"], scaling))
    kept = bare.get("loadforecast", "mcp-gateway", "-n", "mcp")["spec"]
    assert kept["demand"]["query"] == workload["spec"]["demand"]["query"]


def _hpa(target: dict[str, Any], scaling: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target["name"], "namespace": "mcp"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", **target}, "maxReplicas": 9, **scaling},
    }
