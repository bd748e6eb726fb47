"""The workshop's tools."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from opentelemetry.trace import Span
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

import tracing
from examples.mcp import telemetry
from examples.mcp.registry.client import RegistryClient
from examples.mcp.servers.hosting import Replica, Streams, add_health
from examples.mcp.servers.listing import Listing, listed
from examples.mcp.servers.workshop.bench import Benches

NAME = "io.forescale.examples/workshop"
VERSION = "1.0.0"
BENCH_URI = "bench://parts"
_LONGEST_SECONDS = 600.0
_SESSION = "mcp-session-id"
Sleep = Callable[[float], Awaitable[None]]


class Made(BaseModel):
    """Answer of `make`."""

    part: str
    steps: int


class Parts(BaseModel):
    """What lies on the session's bench."""

    parts: list[str]


def create_server(
    replica: Replica,
    streams: Streams,
    *,
    registry: RegistryClient | None = None,
    listing: Listing | None = None,
    sleep: Sleep = anyio.sleep,
) -> MCPServer[Any]:
    """The MCP server, instrumented. `sleep` is how its work passes time."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[dict[str, Any]]:
        async with listed(registry, listing):
            yield {}

    server: MCPServer[Any] = MCPServer(
        NAME,
        title="Workshop",
        version=VERSION,
        instructions="Make parts, which takes a while, and keep them on the bench of your session.",
        lifespan=lifespan,
        log_level="WARNING",
        request_state_security=replica.state_security,
        subscriptions=streams.bus,
    )
    tracing.instrument(server)
    add_health(server)
    _add_work(server, replica, sleep)
    _add_bench(server)
    _add_trouble(server, random.Random())  # noqa: S311 - not for secrets
    return server


def create_app(server: MCPServer[Any], replica: Replica, streams: Streams, *, session_idle_seconds: float) -> ASGIApp:
    """The ASGI application: sessions for legacy clients, event streams as answers."""
    server.middleware.append(streams.middleware)
    app = server.streamable_http_app(
        transport_security=replica.transport_security, session_idle_timeout=session_idle_seconds
    )
    return streams.wrap(app)


def _add_work(server: MCPServer[Any], replica: Replica, sleep: Sleep) -> None:
    @server.tool()
    async def make(
        part: Annotated[str, Field(max_length=100)],
        ctx: Context[Any, Any],
        seconds: Annotated[float, Field(ge=0, le=_LONGEST_SECONDS)] = 5.0,
        steps: Annotated[int, Field(ge=1, le=1000)] = 10,
    ) -> Made:
        """Make a part: takes as long as you say, reports progress after each step, stops when cancelled."""
        with telemetry.tracer.start_as_current_span("workshop.make") as span:
            span.set_attributes({"workshop.steps": steps, "workshop.seconds": seconds})
            await _work(ctx, span, sleep, seconds=seconds, steps=steps)
        return Made(part=part, steps=steps)

    @server.tool()
    async def whoami() -> str:
        """The name of the replica that answers."""
        return replica.name


async def _work(ctx: Context[Any, Any], span: Span, sleep: Sleep, *, seconds: float, steps: int) -> None:
    done = 0
    try:
        for done in range(1, steps + 1):
            await sleep(seconds / steps)
            await ctx.report_progress(done, steps)
    except anyio.get_cancelled_exc_class():
        span.add_event("cancelled", {"workshop.steps.done": done})
        raise


def _add_bench(server: MCPServer[Any]) -> None:
    benches = Benches()

    @server.tool()
    async def put(part: Annotated[str, Field(max_length=100)], ctx: Context[Any, Any]) -> Parts:
        """Lay a part on the bench of this session; whoever listens to bench://parts is told."""
        parts = benches.put(_session(ctx), part)
        await ctx.notify_resource_updated(BENCH_URI)
        return Parts(parts=parts)

    @server.tool()
    async def bench(ctx: Context[Any, Any]) -> Parts:
        """What lies on the bench of this session."""
        return Parts(parts=benches.parts(_session(ctx)))


def _session(ctx: Context[Any, Any]) -> str:
    session = (ctx.headers or {}).get(_SESSION)
    if session is None:
        raise ToolError("only a session has a bench: connect with the initialize handshake")
    return session


def _add_trouble(server: MCPServer[Any], rng: random.Random) -> None:
    @server.tool()
    async def fail(kind: Literal["tool", "crash", "protocol"] = "tool") -> str:
        """Fail: as a tool says so, by a crash, or with a protocol error."""
        if kind == "crash":
            raise RuntimeError("asked to crash")
        if kind == "protocol":
            raise MCPError(INTERNAL_ERROR, "asked to fail")
        raise ToolError("asked to fail")

    @server.tool()
    async def flaky(share: Annotated[float, Field(ge=0, le=1)] = 0.1) -> str:
        """Fail in this share of the calls."""
        if rng.random() < share:
            raise ToolError("this one failed")
        return "this one did not fail"
