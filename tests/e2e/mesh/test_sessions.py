"""Who keeps reaching the replica that has the session, and who may be sent anywhere."""

from collections import Counter

from tests.e2e.harness.mesh import Mesh
from tests.e2e.mesh.calls import CATALOG, LEGACY, MODERN, WORKSHOP, Crowd, Visit

CLIENTS = 20


def _kept(visits: list[Visit]) -> int:
    """Clients that were answered by one replica alone, without a failure."""
    return sum(len(set(one.replicas)) == 1 and not one.failures for one in visits)


def _failures(*visits: Visit) -> list[str]:
    """What calls ended with that were not answered: shown where a test fails."""
    return [failure for one in visits for failure in one.failures]


def _answered(visits: list[Visit]) -> int:
    return sum(not one.failures for one in visits)


def test_legacy_sessions_stay_where_they_are_when_replicas_join(mesh: Mesh) -> None:
    with Crowd(mesh.pod("mcp", "mcp-agent"), WORKSHOP, LEGACY, clients=CLIENTS) as crowd:
        before = crowd.visit(calls=4)
        mesh.scale("mcp", "mcp-workshop", 4)
        after = crowd.visit(calls=4)
    spread = Counter(one.replicas[0] for one in before if one.replicas)
    print(f"legacy: {_kept(before)} of {CLIENTS} kept before, {_kept(after)} after scale-out; spread {dict(spread)}")
    assert not _failures(*before, *after)
    assert _kept(before) == _kept(after) == CLIENTS
    assert len(spread) == 2
    assert [a.replicas[0] for a in before] == [b.replicas[0] for b in after]


def test_new_legacy_sessions_use_new_replicas_and_those_on_replicas_that_stay_survive_a_scale_in(mesh: Mesh) -> None:
    mesh.scale("mcp", "mcp-workshop", 4)
    with Crowd(mesh.pod("mcp", "mcp-agent"), WORKSHOP, LEGACY, clients=CLIENTS) as crowd:
        before = crowd.visit(calls=2)
        mesh.scale("mcp", "mcp-workshop", 2)
        after = crowd.visit(calls=4)
    anew = _sessions_begun_now(mesh)
    alive = {pod.name for pod in mesh.pods("mcp", "mcp-workshop")}
    stayed = [a for b, a in zip(before, after, strict=True) if b.replicas[0] in alive]
    print(f"legacy after scale-in: {len(stayed)} sessions on replicas that stayed, {_kept(stayed)} kept; {anew} anew")
    assert len({one.replicas[0] for one in before}) == 4
    assert stayed
    assert not _failures(*before, *stayed)
    assert _kept(stayed) == len(stayed)
    assert anew == CLIENTS


def _sessions_begun_now(mesh: Mesh) -> int:
    """Sessions begun after the scale-in that are kept: those whose replica went are begun anew by their clients."""
    with Crowd(mesh.pod("mcp", "mcp-agent"), WORKSHOP, LEGACY, clients=CLIENTS) as crowd:
        return _kept(crowd.visit(calls=4))


def test_modern_clients_are_answered_and_use_every_replica_that_there_is(mesh: Mesh) -> None:
    with Crowd(mesh.pod("mcp", "mcp-agent"), CATALOG, MODERN, clients=CLIENTS) as crowd:
        before = crowd.visit(calls=4)
        mesh.scale("mcp", "mcp-catalog", 4)
        out = crowd.visit(calls=8)
        mesh.scale("mcp", "mcp-catalog", 2)
        visits = [before, out, crowd.visit(calls=4)]
    used = [len({name for one in group for name in one.replicas}) for group in visits]
    print(f"modern: answered {[_answered(group) for group in visits]} of {CLIENTS}, replicas used {used}")
    assert not _failures(*before, *out, *visits[-1])
    assert [_answered(group) for group in visits] == [CLIENTS] * 3
    assert used[1] == 4
