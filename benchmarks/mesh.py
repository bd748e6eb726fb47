"""Load on the sample servers in a real mesh while they are restarted, scaled out and scaled in: `make bench-mesh`.

Clients of both eras call without pause from a pod with a proxy. A failed call is tried once more, a legacy client whose
session is gone (404) begins a new one: what is lost after that is what a client's own rule does not cover.
"""

import asyncio
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from tests.e2e.harness.mesh import Mesh
from tests.e2e.mesh import conftest
from tests.e2e.mesh.calls import CATALOG, LEGACY, MODERN, WORKSHOP

CLIENTS = 8  # of each kind
PAUSE_SECONDS = 0.1
KINDS = {"modern, catalog": (CATALOG, MODERN), "legacy, workshop": (WORKSHOP, LEGACY)}
_FAILURES = (MCPError, httpx2.HTTPError, TimeoutError, OSError, ExceptionGroup, RuntimeError)


@dataclass
class Tally:
    """Counts by outcome, and how long answered calls took."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    replicas: set[str] = field(default_factory=set)


async def _client(url: str, mode: str, tally: Tally, until: float) -> None:
    """One client: connected as long as that works, again when it does not."""
    while time.monotonic() < until:
        try:
            async with AsyncExitStack() as stack:
                connected = await stack.enter_async_context(Client(url, mode=mode, read_timeout_seconds=10))
                while time.monotonic() < until:
                    if not await _call(connected, tally):
                        tally.outcomes["connected anew"] += 1
                        break
                    await asyncio.sleep(PAUSE_SECONDS)
        except _FAILURES:
            tally.outcomes["connection failed"] += 1
            await asyncio.sleep(PAUSE_SECONDS)


async def _call(connected: Client, tally: Tally) -> bool:
    """True if answered at the first or the second try; False where a new connection has to be made for it."""
    for attempt in ("answered", "answered at the second try"):
        begun = time.monotonic()
        try:
            result = await connected.call_tool("whoami")
        except _FAILURES:
            continue
        tally.outcomes[attempt] += 1
        tally.seconds.append(time.monotonic() - begun)
        tally.replicas.add(str(getattr(result.content[0], "text", "")))
        return True
    return False


def load(mesh: Mesh, tallies: dict[str, Tally], seconds: float) -> None:
    """All clients, from the agent's pod, until the time is over."""

    async def everybody() -> None:
        until = time.monotonic() + seconds
        kinds = [(url, mode, tallies[name]) for name, (url, mode) in KINDS.items() for _ in range(CLIENTS)]
        await asyncio.gather(*(_client(*kind, until) for kind in kinds))

    mesh.pod("mcp", "mcp-agent").sandbox.inside(lambda: asyncio.run(everybody()))


def disturb(mesh: Mesh, until: float) -> Counter[str]:
    """Rolling restart, scale-out, scale-in, of both servers in turn, until the time is over."""
    done: Counter[str] = Counter()
    while time.monotonic() < until:
        for name in ("mcp-catalog", "mcp-workshop"):
            mesh.plane.kubectl("-n", "mcp", "rollout", "restart", f"deployment/{name}")
            mesh.rollout("mcp", name)
            done["rolling restarts"] += 1
            mesh.scale("mcp", name, 4)
            done["scale-outs"] += 1
            mesh.scale("mcp", name, 2)
            done["scale-ins"] += 1
            if time.monotonic() > until:
                break
    return done


def show(tallies: dict[str, Tally], done: Counter[str], seconds: float) -> None:
    """The table."""
    print(f"\n{seconds:.0f} s; " + ", ".join(f"{count} {name}" for name, count in done.items()))
    for name, tally in tallies.items():
        ordered = sorted(tally.seconds) or [0.0]
        p50, p99 = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        print(f"{name}: {dict(tally.outcomes)}; p50 {p50:.0f} ms, p99 {p99:.0f} ms; {len(tally.replicas)} replicas")


def main(minutes: float) -> None:
    """Starts the mesh of the tests, loads and disturbs it."""
    with tempfile.TemporaryDirectory() as folder:
        mesh = Mesh.start(Path(folder))
        try:
            conftest.prepare(mesh)
            tallies = {name: Tally() for name in KINDS}
            seconds = 60 * minutes
            until = time.monotonic() + seconds - 15  # the last change comes to rest under load
            loading = threading.Thread(target=load, args=(mesh, tallies, seconds))
            loading.start()
            done = disturb(mesh, until)
            loading.join()
            show(tallies, done, seconds)
        finally:
            mesh.stop()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
