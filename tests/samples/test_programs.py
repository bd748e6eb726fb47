"""All five as processes: they say where they are, work together as one trace a task, and end when they are told to."""

import asyncio
import json
import sys
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response
from mcp.client import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.samples.doubles import TOKEN, TOKENS

ROOT = ("mcp-agent", "agent.task")
ACROSS_ALL = [
    ("mcp-registry", "registry.search.rank"),
    ("mcp-registry", "GET /v0.1/servers"),
    ("mcp-catalog", "GET"),
    ("mcp-catalog", "tools/call find_servers"),
    ("mcp-agent", "tools/call find_servers"),
    ROOT,
]


class Collector:
    """Takes spans as a collector does; keeps (service, span) by trace."""

    def __init__(self):
        self.traces = defaultdict(list)
        self.app = FastAPI(telemetry={"tracing": False, "metrics": False})
        self.app.post("/v1/traces")(self.take)
        self.app.post("/v1/metrics")(lambda: Response())

    async def take(self, request: Request) -> Response:
        for resource in ExportTraceServiceRequest.FromString(await request.body()).resource_spans:
            (service,) = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.traces[span.trace_id.hex()].append((service, span))
        return Response(content=b"", media_type="application/x-protobuf")


@asynccontextmanager
async def started(name, *arguments, **environment):
    """The process, and what it printed first; it must have ended well by the end, or 30 s later."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"examples.mcp.{name}", *arguments, stdout=asyncio.subprocess.PIPE, env=environment
    )
    try:
        line = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        yield process, line
        assert await asyncio.wait_for(process.wait(), 30) == 0, line
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def running(name, *arguments, **environment):
    """A program that serves until it is told to end."""
    async with started(name, *arguments, **environment) as (process, line):
        yield process, line
        if process.returncode is None:
            process.terminate()


async def ran(name, *arguments, **environment):
    """What a program printed that ends by itself."""
    async with started(name, *arguments, **environment) as (_, line):
        return line


async def test_the_five_programs_work_together_and_end_cleanly(serve, tmp_path):
    collector = Collector()
    (tmp_path / "tokens").write_text(TOKENS)
    (tmp_path / "token").write_text(TOKEN)
    environment = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{await serve(collector.app)}/v1/traces"}
    async with AsyncExitStack() as stack:
        tokens = ("--token-file", str(tmp_path / "tokens"))
        _, registry = await stack.enter_async_context(running("registry", *tokens, **environment))
        found = ("--registry-url", registry["url"])
        listing = (*found, "--registry-token-file", str(tmp_path / "token"))
        servers = [running(f"servers.{name}", *listing, **environment) for name in ("catalog", "workshop")]
        (_, catalog), (process, workshop) = await asyncio.gather(*map(stack.enter_async_context, servers))
        bounds = ("--rate", "10", "--count", "10")
        async with asyncio.TaskGroup() as together:
            agent = together.create_task(ran("agent", *found, "--tasks", "1", **environment))
            load = together.create_task(ran("load", catalog["url"], "--era", "mixed", *bounds, **environment))
        task, report = agent.result(), load.result()
        assert task["ok"], task
        assert (report["sent"], report["ok"]) == (10, 10), report
        async with httpx.AsyncClient() as client:
            metrics = [(await client.get(one["metrics_url"])).text for one in (catalog, registry)]
        assert "forescale_mcp_server_active_operations{" in metrics[0]  # what the LoadForecasts ask for
        assert "http_server_active_requests{" in metrics[1]
        await drains(process, workshop["url"])
    spans = collector.traces[task["trace_id"]]
    ways = list(ways_up(spans))
    assert ways.count(ACROSS_ALL) == 1, spans
    assert {way[-1] for way in ways} == {ROOT}
    assert ("mcp-catalog", "catalog.rank") in [way[0] for way in ways]


async def drains(process, url):
    """A call in flight is answered after SIGTERM."""
    begun = asyncio.Event()

    async def progress(*_):
        begun.set()

    async with Client(url, mode="legacy") as client:
        await client.list_tools()
        arguments = {"part": "bolt", "seconds": 1, "steps": 10}
        call = asyncio.create_task(client.call_tool("make", arguments, progress_callback=progress))
        await begun.wait()
        process.terminate()
        assert (await call).structured_content == {"part": "bolt", "steps": 10}
    assert await asyncio.wait_for(process.wait(), 30) == 0


def ways_up(spans):
    """Of each span: itself and those above it, as far as they are in the trace."""
    by_id = {span.span_id: (service, span) for service, span in spans}
    for at in spans:
        way = []
        while at is not None:
            way.append((at[0], at[1].name))
            at = by_id.get(at[1].parent_span_id)
        yield way
