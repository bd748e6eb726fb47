"""Connected MCP clients that calls are spread over, each connected again when its server or session has gone."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
from mcp.client import Client
from mcp.shared.exceptions import MCPError

import tracing

Era = Literal["modern", "legacy", "mixed"]
MODERN = "2026-07-28"
TOOL, TIMEOUT, TRANSPORT = "tool", "timeout", "transport"
_RECONNECT_SECONDS = 0.5
_CONNECTION_CLOSED = -32000  # the SDK's code for an answer that never came


@dataclass(frozen=True)
class Call:
    """A tool and what it is called with."""

    tool: str
    arguments: Mapping[str, Any]


def modes(era: Era, *, clients: int) -> list[str]:
    """The SDK's name of each client's era; mixed: every second one is legacy."""
    chosen = {"modern": (MODERN,), "legacy": ("legacy",), "mixed": (MODERN, "legacy")}[era]
    return list(itertools.islice(itertools.cycle(chosen), clients))


class _Connection:
    """One client. It is entered and left by one task, as the SDK asks, while calls come from others."""

    def __init__(self, url: str, mode: str, *, timeout_seconds: float) -> None:
        self._url, self._mode, self._timeout_seconds = url, mode, timeout_seconds
        self._client: Client | None = None
        self._settled = asyncio.Event()  # connected once, or failed to
        self._broken = asyncio.Event()

    async def keep(self) -> None:
        """Until cancelled: connects, and again half a second after a failure."""
        while True:
            self._broken.clear()
            with contextlib.suppress(MCPError, httpx2.HTTPError, OSError, TimeoutError, ExceptionGroup):
                client = Client(self._url, mode=self._mode, read_timeout_seconds=self._timeout_seconds)
                tracing.instrument_client(client)
                async with client as self._client:
                    self._settled.set()
                    await self._broken.wait()
            self._client = None
            self._settled.set()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def settled(self) -> None:
        """Once the first attempt is over."""
        await self._settled.wait()

    async def call(self, call: Call) -> str | None:
        """The kind of the error; None: answered."""
        if self._client is None:
            return TRANSPORT
        try:
            async with asyncio.timeout(self._timeout_seconds):
                result = await self._client.call_tool(call.tool, dict(call.arguments))
        except TimeoutError:
            return TIMEOUT
        except MCPError as error:
            return self._protocol_error(error)
        except (httpx2.HTTPError, OSError, RuntimeError):
            self._broken.set()
            return TRANSPORT
        return TOOL if result.is_error else None

    def _protocol_error(self, error: MCPError) -> str:
        lost = "session" in error.error.message.lower()
        if lost or error.error.code == _CONNECTION_CLOSED:
            self._broken.set()
            return "session" if lost else TRANSPORT
        return f"protocol {error.error.code}"


class Pool:
    """Calls go to the connections in turn, and through the list of calls in turn."""

    def __init__(self, connections: Sequence[_Connection], calls: Sequence[Call]) -> None:
        self._next = zip(itertools.cycle(connections), _slowly(calls, len(connections)), strict=False)

    async def call(self) -> str | None:
        """The next call."""
        connection, call = next(self._next)
        return await connection.call(call)


def _slowly(calls: Sequence[Call], connections: int) -> "itertools.chain[Call]":
    """Each call once on every connection before the next: else a connection might see one tool only."""
    return itertools.chain.from_iterable(itertools.repeat(one, connections) for one in itertools.cycle(calls))


@asynccontextmanager
async def connected(
    url: str, *, era: Era, clients: int, calls: Sequence[Call], timeout_seconds: float
) -> AsyncIterator[Pool]:
    """A pool whose clients have connected, or tried to."""
    connections = [_Connection(url, mode, timeout_seconds=timeout_seconds) for mode in modes(era, clients=clients)]
    tasks = [asyncio.create_task(one.keep()) for one in connections]
    try:
        await asyncio.gather(*(one.settled() for one in connections))
        yield Pool(connections, calls)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
