"""What is open now: operations, streams; what waited; and what ended because somebody went away."""

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import StatusCode

import tracing
from tests.telemetry.conversations import calling
from tests.telemetry.loopback import Gate, Recorder, listening, weather_server

ERAS = pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
ACTIVE = "forescale.mcp.server.active_operations"
STREAMS = "forescale.mcp.server.active_streams"
DURATION = "mcp.server.operation.duration"


@ERAS
async def test_calls_are_in_flight_on_both_sides_until_they_are_answered(mode):
    recorder, gate = Recorder(), Gate()
    async with calling(recorder, mode, weather_server(gate)) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "slow", {})
        await gate.entered.wait()
        assert recorder.total(ACTIVE, gen_ai__tool__name="slow") == 1
        assert recorder.total("forescale.mcp.client.active_operations", mcp__method__name="tools/call") == 1
        gate.opened.set()
    assert recorder.total(ACTIVE) == recorder.total("forescale.mcp.client.active_operations") == 0


@ERAS
async def test_a_call_that_its_caller_gives_up_is_cancelled_on_both_sides_and_no_error(mode):
    recorder, gate = Recorder(), Gate()
    async with calling(recorder, mode, weather_server(gate)) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "slow", {})
            await gate.entered.wait()
            tasks.cancel_scope.cancel()
        await client.list_tools()
        while not recorder.total(DURATION, error__type="cancelled"):
            await anyio.lowlevel.checkpoint()
    for span in (recorder.server_span("tools/call"), recorder.client_span("tools/call")):
        assert span.attributes["error.type"] == span.attributes["forescale.mcp.error.kind"] == "cancelled"
        assert span.status.status_code is StatusCode.UNSET
    assert recorder.total(ACTIVE) == 0


async def test_a_call_that_takes_too_long_is_an_error_of_the_transport_for_the_client():
    recorder, gate = Recorder(), Gate()
    async with calling(recorder, "2026-07-28", weather_server(gate)) as client:
        with pytest.raises(MCPError):
            await client.call_tool("slow", {}, read_timeout_seconds=0.05)
    span = recorder.client_span("tools/call")
    assert span.attributes["forescale.mcp.error.kind"] == "transport"
    assert span.status.status_code is StatusCode.ERROR


async def test_a_server_that_is_not_there_leaves_nothing_in_flight():
    """The SDK cancels what waits when its transport fails, so that is what the call counts as."""
    recorder = Recorder()
    client = Client("http://127.0.0.1:9/mcp", mode="2026-07-28")
    tracing.instrument_client(client, **recorder.providers)
    with pytest.raises(ExceptionGroup):
        async with client:
            await client.call_tool("forecast", {"city": "Oslo"})
    assert recorder.client_span("tools/call").attributes["error.type"] == "cancelled"
    assert recorder.total("forescale.mcp.client.active_operations") == 0


async def test_a_subscription_is_a_stream_and_not_an_operation():
    recorder = Recorder()
    async with calling(recorder, "2026-07-28") as client:
        async with client.listen(tools_list_changed=True):
            assert recorder.total(STREAMS, forescale__mcp__stream__kind="subscription") == 1
            assert recorder.total("forescale.mcp.client.active_streams") == 1
            assert recorder.total(ACTIVE) == 0
        while recorder.total(STREAMS):
            await anyio.lowlevel.checkpoint()
    assert recorder.total("forescale.mcp.client.active_streams") == 0
    assert not recorder.points(DURATION, mcp__method__name="subscriptions/listen")
    assert not recorder.points("mcp.client.operation.duration", mcp__method__name="subscriptions/listen")
    assert recorder.server_span("subscriptions/listen").name == "subscriptions/listen"


async def test_the_standing_get_of_a_legacy_session_is_a_stream_and_not_an_operation():
    recorder = Recorder()
    async with calling(recorder, "legacy") as client:
        await client.list_tools()
        while not recorder.total(STREAMS, forescale__mcp__stream__kind="standalone"):
            await anyio.lowlevel.checkpoint()
    assert recorder.total(STREAMS) == 0


@ERAS
async def test_the_time_from_arrival_to_handling_is_measured(mode):
    recorder = Recorder()
    async with calling(recorder, mode) as client:
        await client.call_tool("forecast", {"city": "Oslo"})
    (point,) = recorder.points("forescale.mcp.server.queue.duration", mcp__method__name="tools/call")
    assert point.count == 1
    assert 0 < point.sum < 10


async def test_two_layers_around_one_application_count_a_request_once():
    recorder, server = Recorder(), weather_server()
    tracing.instrument(server, **recorder.providers)
    app = tracing.asgi(server.streamable_http_app(), **recorder.providers)
    async with listening(app) as url, Client(f"{url}/mcp", mode="legacy") as client:
        await client.list_tools()
        while not recorder.total(STREAMS):
            await anyio.lowlevel.checkpoint()
        assert recorder.total(STREAMS) == 1
