"""Calls as clients make them: by the SDK's own client in both eras, and by hand where a test needs the bare HTTP."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from tests.e2e.harness.pod import PodRunner

MODERN = "2026-07-28"
LEGACY = "legacy"
CATALOG = "http://mcp-catalog.mcp.svc.cluster.local/mcp"
WORKSHOP = "http://mcp-workshop.mcp.svc.cluster.local/mcp"
EFFECTS = "http://effects.mcp.svc.cluster.local"
_IDS = itertools.count(1)
_PREFIX = "io.modelcontextprotocol"
META = {f"{_PREFIX}/protocolVersion": MODERN, f"{_PREFIX}/clientCapabilities": {}}


@dataclass(frozen=True)
class Visit:
    """One client's calls of `whoami`: which replica answered each, and how many failed."""

    replicas: tuple[str, ...]
    failures: int


class Crowd:
    """Clients that stay connected while a test changes what is behind the proxy; use as an async context manager."""

    def __init__(self, url: str, mode: str, *, clients: int) -> None:
        self._clients = [Client(url, mode=mode, read_timeout_seconds=20) for _ in range(clients)]
        self._go: asyncio.Queue[None] = asyncio.Queue()

    async def visit(self, *, calls: int) -> list[Visit]:
        """Each client calls so often, all at the same time."""
        return list(await asyncio.gather(*(_visit(one, calls) for one in self._clients)))

    async def __aenter__(self) -> "Crowd":
        for one in self._clients:  # one after another: the SDK wants each entered and left in the order of a stack
            await one.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for one in reversed(self._clients):
            await one.__aexit__(None, None, None)


async def _visit(client: Client, calls: int) -> Visit:
    replicas: list[str] = []
    failures = 0
    for _ in range(calls):
        try:
            replicas.append(_text(await client.call_tool("whoami")))
        except (MCPError, httpx2.HTTPError, TimeoutError):
            failures += 1
    return Visit(tuple(replicas), failures)


def _text(result: Any) -> str:
    return str(result.content[0].text)


def crowd(pod: PodRunner, url: str, mode: str, *, clients: int, calls: int) -> list[Visit]:
    """Connects, visits and leaves, from a pod."""

    async def run() -> list[Visit]:
        async with Crowd(url, mode, clients=clients) as connected:
            return await connected.visit(calls=calls)

    return pod.sandbox.inside(lambda: asyncio.run(run()))


def message(method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": next(_IDS), "method": method, "params": dict(params or {})}


def headers(method: str, name: str | None = None) -> dict[str, str]:
    """What a modern client writes beside the body."""
    found = {"mcp-protocol-version": MODERN, "mcp-method": method, "accept": "application/json, text/event-stream"}
    return found | ({"mcp-name": name} if name else {})


def effect(key: str, then: str = "answer") -> dict[str, Any]:
    """A tools/call of tests.e2e.mesh.effects."""
    return message("tools/call", {"name": "act", "arguments": {"key": key, "then": then}})


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """A tools/call as a modern server wants it."""
    return message("tools/call", {"name": tool, "arguments": arguments, "_meta": META})


def connection() -> httpx.Client:
    """For many calls."""
    return httpx.Client(timeout=30)


def post(url: str, body: Mapping[str, Any], extra: Mapping[str, str] | None = None) -> httpx.Response:
    """One POST on a connection of its own."""
    return httpx.post(url, json=body, headers=dict(extra or {}), timeout=30)
