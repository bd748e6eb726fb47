"""Whose trace a message continues: through `_meta`, through HTTP headers, and beside an ambient span."""

import httpx
import pytest
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind

import tracing
from tests.telemetry.conversations import calling
from tests.telemetry.loopback import Recorder, listening
from tracing.mcp import contexts

ERAS = pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
TRACE = "0af7651916cd43dd8448eb211c80319c"
REMOTE = f"00-{TRACE}-b7ad6b7169203331-01"
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def echo_server(seen: list[object]) -> MCPServer:
    """A tool that notes its baggage and its span."""
    server = MCPServer("echo", log_level="CRITICAL")

    @server.tool()
    def note() -> str:
        seen.append((baggage.get_baggage("tenant"), trace.get_current_span().get_span_context().span_id))
        return "noted"

    return server


@ERAS
async def test_baggage_of_the_caller_reaches_the_tool_within_the_span_of_the_message(mode):
    recorder, seen = Recorder(), []
    token = attach(baggage.set_baggage("tenant", "acme"))
    try:
        async with calling(recorder, mode, echo_server(seen)) as client:
            await client.call_tool("note", {})
    finally:
        detach(token)
    assert seen == [("acme", recorder.server_span("tools/call").context.span_id)]


@ERAS
async def test_a_client_carries_its_span_in_http_headers_too(mode):
    """A proxy reads headers, not bodies."""
    recorder, server, headers = Recorder(), echo_server([]), []
    app = server.streamable_http_app()

    async def noting(scope, receive, send):
        if scope["type"] == "http" and scope["method"] == "POST":
            headers.append(dict(scope["headers"]).get(b"traceparent", b"").decode())
        await app(scope, receive, send)

    async with listening(noting) as url:
        client = Client(f"{url}/mcp", mode=mode)
        tracing.instrument_client(client, **recorder.providers)
        async with client:
            await client.call_tool("note", {})
    sent = recorder.client_span("tools/call").context
    assert any(f"-{sent.trace_id:032x}-{sent.span_id:016x}-" in header for header in headers)


async def posted(server: MCPServer, recorder: Recorder, meta: dict[str, str], headers: dict[str, str]) -> None:
    """One modern tools/call written by hand, so that `_meta` and headers may disagree."""
    tracing.instrument(server, **recorder.providers)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "note", "_meta": {**MODERN, **meta}}}
    lines = {
        "accept": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "note",
        **headers,
    }
    async with listening(server.streamable_http_app(json_response=True)) as url, httpx.AsyncClient() as http:
        answer = await http.post(f"{url}/mcp", json=call, headers=lines)
    assert answer.status_code == 200, answer.text


async def test_the_trace_of_the_headers_is_continued_where_meta_has_none():
    recorder = Recorder()
    await posted(echo_server([]), recorder, {}, {"traceparent": REMOTE})
    span = recorder.server_span("tools/call")
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert not span.links


async def test_meta_goes_before_headers_which_are_linked():
    recorder = Recorder()
    other = "00-11111111111111111111111111111111-2222222222222222-01"
    await posted(echo_server([]), recorder, {"traceparent": other}, {"traceparent": REMOTE})
    span = recorder.server_span("tools/call")
    assert f"{span.parent.span_id:016x}" == "2222222222222222"
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]


async def test_the_span_of_an_http_instrumentation_is_linked_and_not_replaced_by_the_headers():
    recorder, seen = Recorder(), []
    server = echo_server(seen)
    tracing.instrument(server, **recorder.providers)
    app, tracer = server.streamable_http_app(), recorder.tracers.get_tracer("http")

    async def with_http_span(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        with tracer.start_as_current_span("POST /mcp", kind=SpanKind.INTERNAL):
            await app(scope, receive, send)

    async with listening(with_http_span) as url:
        client = Client(f"{url}/mcp", mode="2026-07-28")
        tracing.instrument_client(client, **recorder.providers)
        async with client:
            await client.call_tool("note", {})
    http = [span for span in recorder.spans_out.get_finished_spans() if span.name == "POST /mcp"]
    received = recorder.server_span("tools/call")
    assert received.parent.span_id == recorder.client_span("tools/call").context.span_id
    assert [link.context.span_id for link in received.links] == [http[0].context.span_id]


async def test_what_is_no_text_in_meta_is_nobodys_context():
    recorder = Recorder()
    await posted(echo_server([]), recorder, {"traceparent": ["00"], "tracestate": 1, "baggage": {}}, {})
    assert recorder.server_span("tools/call").parent is None


def test_tracestate_is_carried_through_meta():
    context, _ = contexts.received({"traceparent": REMOTE, "tracestate": "vendor=1"})
    assert trace.get_current_span(context).get_span_context().trace_state.get("vendor") == "1"


def test_baggage_is_taken_also_where_no_trace_is():
    context, links = contexts.received({"baggage": "tenant=acme"})
    assert baggage.get_baggage("tenant", context) == "acme"
    assert not links
