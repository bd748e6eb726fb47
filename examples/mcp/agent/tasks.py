"""One task from its words to its results, as one trace."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import httpx
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import SpanKind, StatusCode

import tracing
from examples.mcp import telemetry
from examples.mcp.agent.planning import NoToolError, Step, plan
from examples.mcp.registry.client import Found, RegistryClient

Era = Literal["modern", "legacy"]
_MODE = {"modern": "auto", "legacy": "legacy"}


@dataclass(frozen=True)
class StepResult:
    """What a call gave; error: None where it succeeded."""

    server: str
    tool: str
    error: str | None
    content: Any = None


@dataclass(frozen=True)
class TaskResult:
    """What a task gave; trace_id finds it in Jaeger."""

    task: str
    trace_id: str
    ok: bool
    error: str | None
    steps: tuple[StepResult, ...] = ()


@dataclass(frozen=True)
class Agent:
    """Everything a task needs. `search` is what the registry is asked for."""

    registry: RegistryClient
    search: str = "io.forescale.examples"
    era: Era = "modern"
    most_servers: int = 5
    call_timeout_seconds: float = 30.0

    async def run(self, task: str) -> TaskResult:
        """Never raises for what servers do: a failed task is a result too."""
        with telemetry.tracer.start_as_current_span("agent.task", kind=SpanKind.INTERNAL) as span:
            trace_id = format(span.get_span_context().trace_id, "032x")
            try:
                steps = await self._steps(task)
            except (httpx.HTTPError, NoToolError, MCPError, OSError, ExceptionGroup) as error:
                cause = _first(error)
                text = f"{type(cause).__name__}: {cause}"
                span.set_status(StatusCode.ERROR, text)
                return TaskResult(task, trace_id, ok=False, error=text)
            failed = [one.tool for one in steps if one.error is not None]
            span.set_attributes({"agent.steps": len(steps), "agent.steps.failed": len(failed)})
            if failed:
                span.set_status(StatusCode.ERROR, f"failed: {', '.join(failed)}")
            return TaskResult(task, trace_id, ok=not failed, error=None, steps=tuple(steps))

    async def _steps(self, task: str) -> list[StepResult]:
        servers = await self.registry.find(self.search, limit=self.most_servers)
        async with self._connected(servers) as clients:
            with telemetry.tracer.start_as_current_span("agent.plan") as span:
                tools = {
                    name: [one.name for one in (await client.list_tools()).tools] for name, client in clients.items()
                }
                steps = plan(task, tools=tools)
                span.set_attributes({"agent.servers": len(tools), "agent.steps": len(steps)})
            return [await self._call(clients[step.server], step) for step in steps]

    @asynccontextmanager
    async def _connected(self, servers: list[Found]) -> AsyncIterator[Mapping[str, Client]]:
        async with AsyncExitStack() as stack:
            clients: dict[str, Client] = {}
            for server in servers:
                client = Client(server.url, mode=_MODE[self.era], read_timeout_seconds=self.call_timeout_seconds)
                tracing.instrument_client(client)
                clients[server.name] = await stack.enter_async_context(client)
            yield clients

    async def _call(self, client: Client, step: Step) -> StepResult:
        try:
            with anyio.fail_after(self.call_timeout_seconds):
                result = await client.call_tool(step.tool, dict(step.arguments))
        except (MCPError, TimeoutError) as error:
            return StepResult(step.server, step.tool, f"{type(error).__name__}: {error}")
        text = " ".join(getattr(part, "text", "") for part in result.content)
        if result.is_error:
            return StepResult(step.server, step.tool, text)
        return StepResult(step.server, step.tool, None, result.structured_content or text)


def _first(error: Exception) -> Exception:
    """What a task group of the SDK wraps, however deep."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
