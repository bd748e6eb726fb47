"""A replica that fails is put aside and comes back, also where its failures look like HTTP 200."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.harness.mesh import Mesh
from tests.e2e.harness.pod import PodRunner
from tests.e2e.harness.processes import wait_until
from tests.e2e.mesh import calls
from tests.e2e.mesh.calls import EFFECTS
from tests.e2e.mesh.conftest import EJECTED_SECONDS


@pytest.fixture
def failing(mesh: Mesh) -> Iterator[PodRunner]:
    """A replica of `effects` that the test may spoil; sound again afterwards."""
    pod = mesh.pods("mcp", "effects")[0]
    yield pod
    _mood(pod, "answer")


def _mood(pod: PodRunner, mood: str) -> None:
    calls.at(pod, "/mood", content=mood)


def _seen(mesh: Mesh, count: int) -> Counter[str]:
    """Who answered, or `error`."""
    extra = calls.headers("tools/call", "act")

    def run() -> Counter[str]:
        with calls.connection() as http:
            answers = [http.post(f"{EFFECTS}/mcp", json=calls.call("act"), headers=extra) for _ in range(count)]
        return Counter(
            one.json()["result"]["content"][0]["text"] if one.is_success and "result" in one.json() else "error"
            for one in answers
        )

    return mesh.pod("mcp", "mcp-agent").sandbox.inside(run)


@pytest.mark.parametrize("mood", ["crash", "error"])
def test_the_breaker_opens_for_a_failing_replica_and_closes_when_its_time_is_over(
    mesh: Mesh, failing: PodRunner, mood: str
) -> None:
    """error: JSON-RPC errors inside HTTP 200."""
    wait_until(lambda: failing.name in _seen(mesh, 20), seconds=60, what="the replica takes part")
    _mood(failing, mood)
    failed = 0

    def opened() -> bool:
        """Envoy tells its workers about hosts once a second at most, so some calls still fail after the fifth."""
        nonlocal failed
        now = _seen(mesh, 20)["error"]
        failed += now
        return not now

    wait_until(opened, seconds=2 * EJECTED_SECONDS, what="the breaker opens")
    _mood(failing, "answer")
    wait_until(lambda: failing.name in _seen(mesh, 20), seconds=20 * EJECTED_SECONDS, what="the breaker closes")
    print(f"breaker ({mood}): {failed} failed before it opened")
    assert failed >= 5
