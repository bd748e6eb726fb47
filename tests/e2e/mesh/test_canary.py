"""Shares of traffic: within the bounds of chance for modern clients, never for sessions."""

import json
from collections import Counter

from scipy.stats import binom

from tests.e2e.harness.mesh import Mesh
from tests.e2e.mesh import calls
from tests.e2e.mesh.calls import CATALOG, LEGACY
from tools.canary import patches

CALLS = 300
PERCENT = 10
CHANCE = 1e-4  # of a failure without a fault


def _shift(mesh: Mesh, percent: int) -> None:
    service = mesh.plane.get("-n", "mcp", "virtualservice", "mcp-catalog")
    text = json.dumps(patches(service, percent))
    words = ("-n", "mcp", "patch", "virtualservice", "mcp-catalog", "--type=json", "-p", text)
    mesh.change(lambda: mesh.plane.kubectl(*words))


def _canaries(mesh: Mesh) -> Counter[bool]:
    """How many of CALLS modern calls the canary answered."""
    body = calls.call("whoami")
    extra = calls.headers("tools/call", "whoami")

    def run() -> Counter[bool]:
        with calls.connection() as http:
            answers = [http.post(CATALOG, json=body, headers=extra).raise_for_status().json() for _ in range(CALLS)]
        return Counter("canary" in one["result"]["content"][0]["text"] for one in answers)

    return mesh.pod("mcp", "mcp-agent").sandbox.inside(run)


def test_a_share_of_modern_calls_and_no_legacy_session_reaches_the_canary(mesh: Mesh) -> None:
    _shift(mesh, PERCENT)
    try:
        seen = _canaries(mesh)
        sessions = calls.crowd(mesh.pod("mcp", "mcp-agent"), CATALOG, LEGACY, clients=10, calls=2)
    finally:
        _shift(mesh, 0)
    low, high = binom.interval(1 - CHANCE, CALLS, PERCENT / 100)
    print(f"canary: {seen[True]} of {CALLS}, expected {low:.0f} to {high:.0f}")
    assert low <= seen[True] <= high
    assert not [name for one in sessions for name in one.replicas if "canary" in name]
    assert _canaries(mesh)[True] == 0
