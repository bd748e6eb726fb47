"""What is tried again, and what never is."""

import httpx
import pytest

from tests.e2e.harness.mesh import Mesh
from tests.e2e.harness.processes import wait_until
from tests.e2e.mesh import calls
from tests.e2e.mesh.calls import EFFECTS


def _count(mesh: Mesh, key: str) -> int:
    """How often a key had its effect, over all replicas."""
    return sum(calls.at(pod, "/counts").json().get(key, 0) for pod in mesh.pods("mcp", "effects"))


@pytest.mark.parametrize("then", ["reset", "refuse", "crash"])
@pytest.mark.parametrize("era", ["modern", "legacy", "forged"])
def test_a_call_has_its_effect_once_whatever_happens_to_its_answer(mesh: Mesh, era: str, then: str) -> None:
    """forged: a legacy client whose header calls it something that may be retried."""
    extra = {"modern": calls.headers("tools/call", "act"), "legacy": {}, "forged": {"mcp-method": "tools/list"}}[era]
    agent = mesh.pod("mcp", "mcp-agent")
    for number in range(10):
        key = f"{era}-{then}-{number}"
        answer = agent.sandbox.inside(lambda key=key: calls.post(f"{EFFECTS}/mcp", calls.effect(key, then), extra))
        assert answer.status_code in (500, 503)
        assert _count(mesh, key) == 1


def test_a_read_is_tried_again_on_another_replica(mesh: Mesh) -> None:
    first, second = mesh.pods("mcp", "effects")
    wait_until(lambda: _answering(mesh) == {first.name, second.name}, seconds=60, what="neither is put aside any more")
    calls.at(first, "/mood", content="refuse")
    try:
        answers = _reads(mesh)
    finally:
        calls.at(first, "/mood", content="answer")
    assert {one.status_code for one in answers} == {200}
    assert _names(answers) == {second.name}


def _reads(mesh: Mesh) -> list[httpx.Response]:
    agent, extra, body = mesh.pod("mcp", "mcp-agent"), calls.headers("tools/list"), calls.message("tools/list")
    return [agent.sandbox.inside(lambda: calls.post(f"{EFFECTS}/mcp", body, extra)) for _ in range(10)]


def _names(answers: list[httpx.Response]) -> set[str]:
    return {one.json()["result"]["content"][0]["text"] for one in answers if one.is_success}


def _answering(mesh: Mesh) -> set[str]:
    return _names(_reads(mesh))
