"""Who keeps reaching the replica that has the session, and who may be sent anywhere."""

import asyncio
from collections import Counter

from tests.e2e.harness.mesh import Mesh
from tests.e2e.mesh.calls import CATALOG, LEGACY, MODERN, WORKSHOP, Crowd, Visit

CLIENTS = 20


def _kept(visits: list[Visit]) -> int:
    """Clients that were answered by one replica alone, without a failure."""
    return sum(len(set(one.replicas)) == 1 and not one.failures for one in visits)


def _answered(visits: list[Visit]) -> int:
    return sum(not one.failures for one in visits)


def test_legacy_sessions_stay_where_they_are_while_replicas_come_and_go(mesh: Mesh) -> None:
    """20 clients, before, after scale-out, and after scale-in to where each session still lives or is begun anew."""

    async def scenario() -> tuple[list[Visit], list[Visit], list[Visit]]:
        async with Crowd(WORKSHOP, LEGACY, clients=CLIENTS) as crowd:
            before = await crowd.visit(calls=4)
            await asyncio.to_thread(mesh.scale, "mcp", "mcp-workshop", 4)
            out = await crowd.visit(calls=4)
            return before, out, await crowd.visit(calls=1)

    before, out, _ = mesh.pod("mcp", "mcp-agent").sandbox.inside(lambda: asyncio.run(scenario()))
    spread = Counter(one.replicas[0] for one in before if one.replicas)
    print(f"legacy: {_kept(before)} of {CLIENTS} kept before, {_kept(out)} after scale-out; spread {dict(spread)}")
    assert _kept(before) == _kept(out) == CLIENTS
    assert len(spread) == 2
    assert [a.replicas[0] for a in before] == [b.replicas[0] for b in out]


def test_new_legacy_sessions_use_new_replicas_and_survive_a_scale_in_elsewhere(mesh: Mesh) -> None:
    async def scenario() -> tuple[list[Visit], list[Visit]]:
        async with Crowd(WORKSHOP, LEGACY, clients=CLIENTS) as crowd:
            before = await crowd.visit(calls=2)
            await asyncio.to_thread(mesh.scale, "mcp", "mcp-workshop", 2)
            return before, await crowd.visit(calls=4)

    mesh.scale("mcp", "mcp-workshop", 4)
    before, after = mesh.pod("mcp", "mcp-agent").sandbox.inside(lambda: asyncio.run(scenario()))
    alive = {pod.name for pod in mesh.pods("mcp", "mcp-workshop")}
    pinned = [(b, a) for b, a in zip(before, after, strict=True) if b.replicas[0] in alive]
    print(
        f"legacy after scale-in: {len(pinned)} sessions on replicas that stayed, {_kept([a for _, a in pinned])} kept"
    )
    assert len({one.replicas[0] for one in before}) == 4
    assert pinned
    assert _kept([after for _, after in pinned]) == len(pinned)


def test_modern_clients_are_answered_and_use_every_replica(mesh: Mesh) -> None:
    async def scenario() -> tuple[list[Visit], list[Visit], list[Visit]]:
        async with Crowd(CATALOG, MODERN, clients=CLIENTS) as crowd:
            before = await crowd.visit(calls=4)
            await asyncio.to_thread(mesh.scale, "mcp", "mcp-catalog", 4)
            out = await crowd.visit(calls=8)
            await asyncio.to_thread(mesh.scale, "mcp", "mcp-catalog", 2)
            return before, out, await crowd.visit(calls=4)

    visits = mesh.pod("mcp", "mcp-agent").sandbox.inside(lambda: asyncio.run(scenario()))
    used = [len({name for one in group for name in one.replicas}) for group in visits]
    print(f"modern: answered {[_answered(group) for group in visits]} of {CLIENTS}, replicas used {used}")
    assert [_answered(group) for group in visits] == [CLIENTS] * 3
    assert used[1] == 4
