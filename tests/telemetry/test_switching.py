"""Switching on is one line, twice is as once, off puts everything back, and trouble inside breaks no call."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server.lowlevel import Server
from mcp.shared import jsonrpc_dispatcher
from mcp.shared.exceptions import MCPError
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider, SpanKind

import tracing
from tests.telemetry.conversations import calling
from tests.telemetry.loopback import Recorder, listening, weather_server
from tracing.mcp.instruments import TROUBLE
from tracing.mcp.server import ServerTelemetry

ROOT = Path(__file__).parents[2]
ERAS = pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])


class BrokenTracers(NoOpTracerProvider):
    """A tracer of which nothing works."""

    def get_tracer(self, *arguments: Any, **named: Any) -> Any:
        return self

    def start_span(self, *arguments: Any, **named: Any) -> Any:
        raise RuntimeError("no spans today")


class BrokenMeters(NoOpMeterProvider):
    """Instruments that raise."""

    def get_meter(self, *arguments: Any, **named: Any) -> Any:
        return self

    def create_histogram(self, *arguments: Any, **named: Any) -> Any:
        return self

    create_observable_up_down_counter = create_histogram

    def record(self, *arguments: Any, **named: Any) -> None:
        raise RuntimeError("no counting today")


@ERAS
@pytest.mark.parametrize("broken", [{"tracer_provider": BrokenTracers()}, {"meter_provider": BrokenMeters()}])
async def test_trouble_inside_breaks_no_call_and_is_logged_once(mode, broken, caplog):
    server = weather_server()
    tracing.instrument(server, **broken)
    before = TROUBLE.count
    TROUBLE.forget()
    async with listening(server.streamable_http_app()) as url:
        client = Client(f"{url}/mcp", mode=mode)
        tracing.instrument_client(client, **broken)
        with caplog.at_level(logging.WARNING, logger="tracing.mcp"):
            async with client:
                for _ in range(3):
                    answer = await client.call_tool("forecast", {"city": "Oslo"})
                    assert answer.content[0].text == "sun in Oslo"
                with pytest.raises(MCPError):
                    await client.call_tool("refused", {})
    assert TROUBLE.count > before
    messages = [record.getMessage() for record in caplog.records if record.name == "tracing.mcp"]
    assert messages
    assert len(messages) == len(set(messages))


async def test_a_meter_that_fails_leaves_the_spans_whole():
    recorder = Recorder()
    server = weather_server()
    tracing.instrument(server, tracer_provider=recorder.tracers, meter_provider=BrokenMeters())
    async with Client(server) as client:
        await client.call_tool("forecast", {"city": "Oslo"})
        await client.call_tool("forecast", {"city": "Oslo"})
    received = recorder.spans(SpanKind.SERVER, "tools/call")
    assert [span.name for span in received] == ["tools/call forecast"] * 2
    assert len({span.context.trace_id for span in received}) == 2


async def test_switching_on_twice_is_as_once():
    recorder, server = Recorder(), weather_server()
    assert tracing.instrument(server, **recorder.providers) is tracing.instrument(server, **recorder.providers)
    client = Client(server, mode="legacy")
    assert tracing.instrument_client(client, **recorder.providers) is tracing.instrument_client(client)
    async with client:
        await client.session.call_tool("forecast", {"city": "Oslo"})
    assert recorder.server_span("tools/call")
    assert recorder.client_span("tools/call")


async def test_switching_off_puts_the_server_back():
    recorder, server = Recorder(), weather_server()
    before = list(server.middleware)
    instrumentation = tracing.instrument(server, **recorder.providers)
    assert isinstance(server.middleware[0], ServerTelemetry)
    instrumentation.uninstrument()
    instrumentation.uninstrument()
    assert server.middleware == before
    async with listening(server.streamable_http_app()) as url, Client(f"{url}/mcp") as client:
        await client.call_tool("forecast", {"city": "Oslo"})
    assert not recorder.spans_out.get_finished_spans()
    assert tracing.instrument(server, **recorder.providers) is not instrumentation


async def test_switching_off_puts_the_client_and_the_sdk_back():
    recorder, original = Recorder(), jsonrpc_dispatcher.otel_span
    async with calling(recorder, "legacy") as client:
        assert jsonrpc_dispatcher.otel_span is not original
        tracing.instrument_client(client).uninstrument()
        recorder.spans_out.clear()
        await client.session.call_tool("forecast", {"city": "Oslo"})
    assert jsonrpc_dispatcher.otel_span is original
    assert not recorder.spans(SpanKind.CLIENT)


async def test_a_session_that_is_open_already_can_be_instrumented():
    recorder, server = Recorder(), weather_server()
    async with Client(server, mode="legacy") as client:
        switched = tracing.instrument_client(client.session, **recorder.providers)
        await client.session.call_tool("forecast", {"city": "Oslo"})
        switched.uninstrument()
    assert recorder.client_span("tools/call").name == "tools/call forecast"


async def test_a_server_without_the_sdk_s_own_middleware_is_traced_all_the_same():
    recorder, server = Recorder(), weather_server()
    server.middleware[:] = [one for one in server.middleware if not isinstance(one, OpenTelemetryMiddleware)]
    tracing.instrument(server, **recorder.providers)
    async with Client(server) as client:
        await client.session.call_tool("forecast", {"city": "Oslo"})
    assert recorder.server_span("tools/call")


class WithServerInside:
    """As FastMCP is built: middleware of its own kind, and the SDK's server inside."""

    def __init__(self) -> None:
        self.middleware: list[object] = []
        self._mcp_server: Server[Any] = weather_server()._lowlevel_server


async def test_a_framework_around_the_sdk_s_server_is_known_by_its_shape():
    recorder, framework = Recorder(), WithServerInside()
    tracing.instrument(framework, **recorder.providers)
    async with Client(framework._mcp_server) as client:
        await client.session.call_tool("forecast", {"city": "Oslo"})
    assert framework.middleware == []
    assert recorder.server_span("tools/call").name == "tools/call forecast"


def test_what_is_neither_server_nor_client_is_refused():
    with pytest.raises(TypeError, match="no list of middleware"):
        tracing.instrument(object())
    with pytest.raises(TypeError, match="neither"):
        tracing.instrument_client(object())


async def test_without_an_sdk_of_opentelemetry_everything_works_and_nothing_is_kept():
    server = weather_server()
    tracing.instrument(server)
    before = TROUBLE.count
    client = Client(server, mode="legacy")
    tracing.instrument_client(client)
    async with client:
        answer = await client.call_tool("forecast", {"city": "Oslo"})
    assert not answer.is_error
    assert TROUBLE.count == before


def test_importing_sets_nothing_up():
    code = (
        "import sys, tracing; from opentelemetry import trace; "
        "assert 'opentelemetry.sdk' not in sys.modules; "
        "assert type(trace.get_tracer_provider()).__name__ == 'ProxyTracerProvider'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
