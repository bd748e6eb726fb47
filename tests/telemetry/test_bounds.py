"""What a caller can make the number of series and span names be: nothing."""

from dataclasses import replace
from typing import Any

import mcp_types as types
import pytest
from mcp.client import Client
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import SpanKind

import tracing
from tests.telemetry.conversations import calling
from tests.telemetry.loopback import Recorder, weather_server
from tracing.mcp import outcomes
from tracing.mcp.known import KnownNames, bounded_code, bounded_method, bounded_version
from tracing.mcp.server import ServerTelemetry

INVENTED = 10_000
DURATION = "mcp.server.operation.duration"


async def test_ten_thousand_invented_tools_are_one_series():
    recorder, server, contexts = Recorder(), weather_server(), []
    tracing.instrument(server, **recorder.providers)

    async def keep(ctx, call_next):
        contexts.append(ctx)
        return await call_next(ctx)

    async def answer(ctx):
        return {"content": []}

    server.middleware.append(keep)
    async with Client(server) as client:
        await client.session.call_tool("invented", {})
    (telemetry,) = [one for one in server.middleware if isinstance(one, ServerTelemetry)]
    for number in range(INVENTED):
        await telemetry(replace(contexts[-1], params={"name": f"invented-{number}"}), answer)
    assert recorder.total(DURATION, mcp__method__name="tools/call") == INVENTED + 1
    assert len(recorder.points(DURATION, gen_ai__tool__name="_OTHER")) == 2  # refused by the server, and answered here
    assert len(recorder.points("forescale.mcp.server.active_operations", mcp__method__name="tools/call")) == 1
    assert {span.name for span in recorder.spans(SpanKind.SERVER, "tools/call")} == {"tools/call _OTHER"}


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_invented_tools_are_one_series_on_both_sides_of_a_real_connection(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        for number in range(50):
            await client.session.call_tool(f"invented-{number}", {})
    for metric in (DURATION, "mcp.client.operation.duration"):
        (point,) = recorder.points(metric, mcp__method__name="tools/call")
        assert (point.count, point.attributes["gen_ai.tool.name"]) == (50, "_OTHER")
    names = {span.name for span in recorder.spans_out.get_finished_spans()}
    assert names - {"initialize", "notifications/initialized", "tools/call"} == {"tools/call _OTHER"}


async def test_invented_methods_are_one_series():
    recorder, server = Recorder(), weather_server()
    tracing.instrument(server, **recorder.providers)
    async with Client(server) as client:
        for number in range(20):
            with pytest.raises(MCPError):
                await client.session._dispatcher.send_raw_request(f"invented/{number}", None)
    assert recorder.total(DURATION, mcp__method__name="_OTHER", rpc__response__status_code="-32601") == 20


def low_level(*tools: str) -> Server[Any]:
    """A server without a registry of tools: it lists them, and answers whatever is called."""

    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool(name=name, input_schema={"type": "object"}) for name in tools])

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        return types.CallToolResult(content=[])

    return Server("low", on_list_tools=list_tools, on_call_tool=call_tool)


async def test_a_low_level_server_s_tools_are_known_once_they_were_listed():
    recorder = Recorder()
    async with calling(recorder, "legacy", low_level("add")) as client:
        await client.call_tool("add", {})
        await client.list_tools()
        await client.call_tool("add", {})
        await client.call_tool("invented", {})
    assert recorder.total(DURATION, gen_ai__tool__name="add") == 1
    assert recorder.total(DURATION, gen_ai__tool__name="_OTHER") == 2


async def test_names_given_are_known_from_the_start():
    recorder, server = Recorder(), low_level("add")
    tracing.instrument(server, tools=["add"], **recorder.providers)
    async with calling(recorder, "legacy", server) as client:
        await client.call_tool("add", {})
    assert recorder.total(DURATION, gen_ai__tool__name="add") == 1


async def test_the_sdk_s_own_look_up_of_a_schema_teaches_names_and_is_no_message():
    """Before it calls a tool with arguments the SDK lists the tools of a low-level server through the same door."""
    recorder = Recorder()
    async with calling(recorder, "2026-07-28", low_level("add")) as client:
        await client.session.send_request(
            types.CallToolRequest(params=types.CallToolRequestParams(name="add", arguments={"a": 1})),
            types.CallToolResult,
        )
    assert [span.name for span in recorder.spans(SpanKind.SERVER)] == ["tools/call add"]
    assert not recorder.points(DURATION, mcp__method__name="tools/list")


async def test_a_tool_that_is_removed_is_no_longer_a_name():
    recorder, server = Recorder(), weather_server()
    server.remove_tool("forecast")
    async with calling(recorder, "legacy", server) as client:
        await client.session.call_tool("forecast", {"city": "Oslo"})
    assert recorder.total(DURATION, gen_ai__tool__name="_OTHER") == 1


def test_a_list_of_tools_without_end_is_cut():
    known = KnownNames(limit=3)
    known.learn_from_listing("tools/list", {"tools": [{"name": str(number)} for number in range(10)]})
    assert [known.has("tools/call", str(number)) for number in range(4)] == [True, True, True, False]


def test_methods_versions_and_codes_that_nobody_defines_are_one_value_each():
    assert bounded_method("tools/call") == "tools/call"
    assert bounded_method("weather/now", {"weather/now"}.__contains__) == "weather/now"
    assert bounded_method("weather/now") == bounded_version("2031-01-01") == bounded_code(7) == "_OTHER"
    assert bounded_version("2025-06-18") == "2025-06-18"


async def test_a_code_that_a_server_makes_up_is_bounded_on_the_client():
    outcome = outcomes.raised_on_client(MCPError(code=123456, message=""))
    assert (outcome.error_type, outcome.code, outcome.kind) == ("_OTHER", "_OTHER", "protocol")
