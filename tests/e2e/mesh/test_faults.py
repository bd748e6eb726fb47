"""A fault reaches those who ask for it and nobody else, and is gone afterwards."""

import os
import subprocess
import sys
from collections import Counter

from tests.e2e.harness.mesh import MESH, Mesh
from tests.e2e.mesh import calls
from tests.e2e.mesh.calls import CATALOG

CALLS = 60


def _statuses(mesh: Mesh, extra: dict[str, str]) -> Counter[int]:
    body, headers = calls.call("whoami"), calls.headers("tools/call", "whoami") | extra

    def run() -> Counter[int]:
        with calls.connection() as http:
            return Counter(http.post(CATALOG, json=body, headers=headers).status_code for _ in range(CALLS))

    return mesh.pod("mcp", "mcp-agent").sandbox.inside(run)


def test_the_fault_is_for_callers_with_the_header_and_goes_with_the_command(mesh: Mesh) -> None:
    """run.sh's command waits for a line, so that the test can call while the fault is there."""
    command = [str(MESH / "faults" / "run.sh"), "abort", "--", sys.executable, "-c", "input()"]
    kubectl = f"{sys.executable.removesuffix('python')}kubectl --kubeconfig={mesh.plane.admin}"
    runner: list[subprocess.Popen[str]] = []

    def begin() -> None:
        one = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"KUBECTL": kubectl}
        )
        runner.append(one)
        assert one.stderr is not None
        assert one.stderr.readline() == "applied: fault abort\n"

    def end() -> None:
        runner[0].communicate("\n", timeout=20)

    mesh.change(begin)
    try:
        gated, others = _statuses(mesh, {"x-mcp-fault": "abort"}), _statuses(mesh, {})
    finally:
        mesh.change(end)
    after = _statuses(mesh, {"x-mcp-fault": "abort"})
    print(f"fault: {dict(gated)} with the header, {dict(others)} without, {dict(after)} afterwards")
    assert 15 <= gated[503] <= 45
    assert others == after == {200: CALLS}
    assert runner[0].returncode == 0
