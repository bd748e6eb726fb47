"""What a pod takes and what a tenant may ask for, for clients of both eras, forged headers included."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.harness.mesh import MESH, Mesh
from tests.e2e.mesh import calls
from tests.e2e.mesh.calls import CATALOG
from tools import mesh_limits

PER_MINUTE = 12


@pytest.fixture(scope="module", autouse=True)
def limits(mesh: Mesh) -> Iterator[None]:
    """The shipped limits, with few calls a minute for each tenant, so that a test need not send hundreds."""
    mesh.change(lambda: mesh.apply_tree(MESH / "limits"))
    table = yaml.safe_load((mesh_limits.FOLDER / "limits.yaml").read_text())
    table["tenants"] = {"default": {"callsPerMinute": PER_MINUTE, "otherPerMinute": 1000}}
    mesh.apply(mesh_limits.service(table))
    mesh.plane.kubectl("-n", "mcp-limits", "rollout", "restart", "deployment/ratelimit")
    mesh.rollout("mcp-limits", "ratelimit", "redis")
    mesh.settle()
    yield
    mesh.change(lambda: mesh.plane.kubectl("delete", "-k", str(MESH / "limits"), "--wait=false"))


BODIES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "modern": (calls.call("whoami"), calls.headers("tools/call", "whoami")),
    "legacy": (calls.message("tools/call", {"name": "whoami", "arguments": {}}), {}),
    "forged": (calls.message("tools/call", {"name": "whoami", "arguments": {}}), {"mcp-method": "ping"}),
    "oversized": (calls.message("tools/call", {"pad": "x" * 70_000, "name": "whoami", "arguments": {}}), {}),
}


@pytest.mark.parametrize("era", list(BODIES))
def test_a_tenants_calls_are_limited_over_all_pods_whatever_the_client_says_it_does(mesh: Mesh, era: str) -> None:
    """Each case is another caller, so that one does not use up the other's minute."""
    body, extra = BODIES[era]
    caller = mesh.pod("mcp", {"modern": "mcp-agent", "legacy": "stranger"}.get(era, "mcp-agent"))
    extra = {"accept": "application/json, text/event-stream", **extra}

    def run() -> Counter[bool]:
        with calls.connection() as http:
            answers = [http.post(CATALOG, json=body, headers=extra) for _ in range(3 * PER_MINUTE)]
        refused = [one for one in answers if one.status_code == 429]
        assert all(one.headers["retry-after"] for one in refused)
        return Counter(one.status_code != 429 for one in answers)

    seen = caller.sandbox.inside(run)
    print(f"limit {PER_MINUTE} a minute, {era}: {seen[True]} passed, {seen[False]} refused")
    assert seen[True] <= 2 * PER_MINUTE  # a minute may begin anew meanwhile
    assert seen[False] >= PER_MINUTE
