"""What a pod takes and what a tenant may ask for, for clients of both eras, forged headers included."""

import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.harness.mesh import Mesh
from tests.e2e.mesh import calls
from tests.e2e.mesh.calls import CATALOG
from tests.e2e.mesh.conftest import limited
from tools import mesh_limits

PER_MINUTE = 12


@pytest.fixture(scope="module", autouse=True)
def limits(mesh: Mesh) -> Iterator[None]:
    """The shipped limits, with few calls a minute for each tenant, so that a test need not send hundreds."""
    with limited(mesh):
        table = yaml.safe_load((mesh_limits.FOLDER / "limits.yaml").read_text())
        table["tenants"] = {"default": {"callsPerMinute": PER_MINUTE, "otherPerMinute": 1000}}
        mesh.apply(mesh_limits.service(table))
        mesh.plane.kubectl("-n", "mcp-limits", "rollout", "restart", "deployment/ratelimit")
        mesh.rollout("mcp-limits", "ratelimit", "redis")
        mesh.settle()
        yield


BODIES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "modern": (calls.call("whoami"), calls.headers("tools/call", "whoami")),
    "legacy": (calls.message("tools/call", {"name": "whoami", "arguments": {}}), {}),
    "forged": (calls.message("tools/call", {"name": "whoami", "arguments": {}}), {"mcp-method": "ping"}),
    "oversized": (calls.message("tools/call", {"pad": "x" * 70_000, "name": "whoami", "arguments": {}}), {}),
}


def _forget_counts(mesh: Mesh) -> None:
    """So that a case does not find the budget used up by the one before."""

    def flush() -> bytes:
        with socket.create_connection(("127.0.0.1", 6379), timeout=5) as redis:
            redis.sendall(b"FLUSHALL\r\n")
            return redis.recv(100)

    assert mesh.pod("mcp-limits", "redis").sandbox.inside(flush) == b"+OK\r\n"


CALLERS = {"modern": "mcp-agent", "legacy": "stranger", "forged": "mcp-agent", "oversized": "stranger"}


@pytest.mark.parametrize("era", list(BODIES))
def test_a_tenants_calls_are_limited_over_all_pods_whatever_the_client_says_it_does(mesh: Mesh, era: str) -> None:
    """36 calls over two replicas; the budget is 12 a minute."""
    body, extra = BODIES[era]
    caller = mesh.pod("mcp", CALLERS[era])
    _forget_counts(mesh)
    extra = {"accept": "application/json, text/event-stream", **extra}

    def run() -> Counter[bool]:
        with calls.connection() as http:
            answers = [http.post(CATALOG, json=body, headers=extra) for _ in range(3 * PER_MINUTE)]
        refused = [one for one in answers if one.status_code == 429]
        assert all(one.headers["retry-after"] for one in refused)
        return Counter(one.status_code != 429 for one in answers)

    seen = caller.sandbox.inside(run)
    print(f"limit {PER_MINUTE} a minute, {era}: {seen[True]} passed, {seen[False]} refused")
    assert 0 < seen[True] <= 2 * PER_MINUTE  # a minute may begin anew meanwhile
    assert seen[False] >= PER_MINUTE
