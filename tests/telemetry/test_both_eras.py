"""The SDK's client against the SDK's server over real HTTP, in both eras of the protocol."""

import pytest
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import SpanKind, StatusCode

from tests.telemetry.conversations import calling
from tests.telemetry.loopback import Recorder

ERAS = pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
DURATION = "mcp.server.operation.duration"


@ERAS
async def test_a_call_is_one_span_on_each_side_of_one_trace(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        await client.call_tool("forecast", {"city": "Oslo"})
    sent, received = recorder.client_span("tools/call"), recorder.server_span("tools/call")
    assert sent.name == received.name == "tools/call forecast"
    assert received.parent.span_id == sent.context.span_id
    assert received.context.trace_id == sent.context.trace_id


@ERAS
async def test_durations_are_counted_by_method_and_tool_on_both_sides(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        for _ in range(3):
            await client.call_tool("forecast", {"city": "Oslo"})
    of_tool = {"mcp__method__name": "tools/call", "gen_ai__tool__name": "forecast"}
    assert recorder.total(DURATION, **of_tool) == 3
    assert recorder.total("mcp.client.operation.duration", **of_tool) == 3
    assert recorder.total(DURATION, network__transport="tcp", network__protocol__name="http", **of_tool) == 3


@ERAS
async def test_a_tool_that_says_it_failed_is_an_error_of_the_tool(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        assert (await client.call_tool("broken", {})).is_error
    for span in (recorder.client_span("tools/call"), recorder.server_span("tools/call")):
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["error.type"] == "tool_error"
        assert span.attributes["forescale.mcp.error.kind"] == "tool"


@ERAS
async def test_an_error_answer_is_an_error_of_the_protocol_with_its_code(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        with pytest.raises(MCPError):
            await client.call_tool("refused", {})
    for span in (recorder.client_span("tools/call"), recorder.server_span("tools/call")):
        assert span.attributes["error.type"] == span.attributes["rpc.response.status_code"] == "-32603"
        assert span.attributes["forescale.mcp.error.kind"] == "protocol"
    assert recorder.total(DURATION, error__type="-32603") == 1


@ERAS
async def test_an_error_of_the_caller_is_none_of_the_server(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        with pytest.raises(MCPError):
            await client.read_resource("weather://nowhere")
    received, sent = recorder.server_span("resources/read"), recorder.client_span("resources/read")
    assert received.status.status_code is StatusCode.UNSET
    assert received.attributes["rpc.response.status_code"] == "-32602"
    assert "error.type" not in received.attributes
    assert sent.status.status_code is StatusCode.ERROR


@ERAS
async def test_a_name_that_the_server_does_not_have_enters_neither_span_nor_metric(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        await client.call_tool("rm -rf", {})
    spans = [*recorder.spans(SpanKind.SERVER), *recorder.spans(SpanKind.CLIENT)]
    assert recorder.server_span("tools/call").name == "tools/call _OTHER"
    assert not any("rm -rf" in f"{span.name}{dict(span.attributes)}" for span in spans)
    assert recorder.total(DURATION, gen_ai__tool__name="_OTHER") == 1


@ERAS
async def test_nothing_that_a_tool_is_given_or_answers_is_recorded(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        await client.call_tool("forecast", {"city": "Atlantis"})
        await client.call_tool("broken", {})
        with pytest.raises(MCPError):
            await client.call_tool("refused", {})
    everything = " ".join(span.to_json() for span in recorder.spans_out.get_finished_spans())
    assert "Atlantis" not in everything
    assert "secret" not in everything


async def test_a_legacy_session_is_counted_while_open_and_timed_at_its_end():
    recorder = Recorder()
    async with calling(recorder, "legacy") as client:
        await client.call_tool("forecast", {"city": "Oslo"})
        assert recorder.total("forescale.mcp.server.active_sessions", mcp__protocol__version="2025-11-25") == 1
        assert recorder.total("forescale.mcp.client.active_sessions") == 1
        assert recorder.server_span("tools/call").attributes["mcp.session.id"]
    assert recorder.total("forescale.mcp.server.active_sessions") == 0
    assert recorder.total("forescale.mcp.client.active_sessions") == 0
    assert recorder.total("mcp.server.session.duration") == recorder.total("mcp.client.session.duration") == 1


async def test_stateless_traffic_has_no_sessions():
    recorder = Recorder()
    async with calling(recorder, "2026-07-28") as client:
        await client.call_tool("forecast", {"city": "Oslo"})
    assert not [name for name in recorder.metrics() if "session" in name]
