"""Calls as clients make them: by the SDK's own client in both eras, and by hand where a test needs the bare HTTP."""

import asyncio
import itertools
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
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
    """One client's calls of `whoami`: which replica answered each, and what the others ended with."""

    replicas: tuple[str, ...]
    failures: tuple[str, ...]


class Crowd:
    """SDK clients in a pod that stay connected while a test changes what is behind their proxy.

    They live in an event loop of their own, in a thread that has the pod's network; the test stays outside, where it
    can reach the API server. Use as a context manager.
    """

    def __init__(self, pod: PodRunner, url: str, mode: str, *, clients: int) -> None:
        self._pod = pod
        self._clients = [Client(url, mode=mode, read_timeout_seconds=20) for _ in range(clients)]
        self._loop = asyncio.new_event_loop()
        self._leave = asyncio.Event()
        self._connected: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: pod.sandbox.inside(self._run), name="crowd")

    def visit(self, *, calls: int) -> list[Visit]:
        """Each client calls so often, all at the same time."""

        async def all_of_them() -> list[Visit]:
            return list(await asyncio.gather(*(_visit(one, calls) for one in self._clients)))

        return asyncio.run_coroutine_threadsafe(all_of_them(), self._loop).result(120)

    def __enter__(self) -> "Crowd":
        self._thread.start()
        self._connected.result(60)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._keep())
        except BaseException as error:
            if not self._connected.done():
                self._connected.set_exception(error)
            raise
        finally:
            self._loop.close()

    async def _keep(self) -> None:
        """The SDK wants a client entered and left by one task."""
        async with AsyncExitStack() as stack:
            for one in self._clients:
                await stack.enter_async_context(one)
            self._connected.set_result(None)
            await self._leave.wait()


async def _visit(client: Client, calls: int) -> Visit:
    replicas: list[str] = []
    failures: list[str] = []
    for _ in range(calls):
        try:
            replicas.append(_text(await client.call_tool("whoami")))
        except (MCPError, httpx2.HTTPError, TimeoutError) as error:
            failures.append(repr(error))
    return Visit(tuple(replicas), tuple(failures))


def _text(result: Any) -> str:
    return str(result.content[0].text)


def crowd(pod: PodRunner, url: str, mode: str, *, clients: int, calls: int) -> list[Visit]:
    """Connects, visits and leaves, from a pod."""
    with Crowd(pod, url, mode, clients=clients) as connected:
        return connected.visit(calls=calls)


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


def at(pod: PodRunner, path: str, *, content: str | None = None) -> httpx.Response:
    """A server's own port, from within its pod: from outside STRICT refuses what has no certificate."""
    method = "GET" if content is None else "POST"
    url = f"http://127.0.0.1:8080{path}"
    return pod.sandbox.inside(lambda: httpx.request(method, url, content=content, timeout=10))
