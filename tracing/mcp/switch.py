"""Switching on and off: which objects of the SDK are changed, and how each is put back."""

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any
from urllib.parse import urlsplit

from mcp.server._otel import OpenTelemetryMiddleware
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from tracing.mcp import names
from tracing.mcp.asgi import AsgiApp, AsgiTelemetry
from tracing.mcp.client import ClientTelemetry
from tracing.mcp.instruments import Instruments, guarded, instruments
from tracing.mcp.known import KnownNames
from tracing.mcp.sdk_span import EXCHANGE
from tracing.mcp.server import ServerTelemetry

_MARK = "_forescale_instrumentation"
_LOW_LEVEL = ("_lowlevel_server", "_mcp_server")


@dataclass
class Instrumentation:
    """What instrument() and instrument_client() return. `uninstrument()` puts everything back; twice is as once."""

    _undo: list[Callable[[], None]]

    def uninstrument(self) -> None:
        """Takes the instrumentation off again. Operations under way are still counted to their end."""
        while self._undo:
            self._undo.pop()()


def instrument(
    server: Any,
    *,
    tools: Iterable[str] = (),
    prompts: Iterable[str] = (),
    record_exceptions: bool = False,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Instrumentation:
    """Metrics and complete spans for `server`: the SDK's MCPServer or low-level Server, or FastMCP. Again is as once.

    Names of tools and prompts become attributes where the server has registered or listed them, or where they are given
    in `tools` and `prompts`; a low-level server that a legacy client calls before anybody has listed its tools is the
    one case that needs the latter. `record_exceptions` puts the text and stack of a crashed handler on its span; texts
    may hold what callers sent. Apps made by `server.streamable_http_app()` from then on get the layer of asgi().
    Raises TypeError for an object that is no such server.
    """
    low_level = _low_level(server)
    if (present := getattr(low_level, _MARK, None)) is not None:
        return present  # type: ignore[no-any-return]
    known = KnownNames(_registered_in(server, low_level))
    known.learn("tools", tools)
    known.learn("prompts", prompts)
    made = instruments(tracer_provider, meter_provider)
    telemetry = ServerTelemetry(
        made, known, has_handler=_handlers_of(low_level), record_exceptions=record_exceptions, quiet=_quiet(server)
    )
    undo = [_replace_middleware(low_level.middleware, telemetry)]
    if hasattr(low_level, "streamable_http_app"):
        undo.append(_wrap_app_factory(low_level, made))
    done = Instrumentation(undo)
    setattr(low_level, _MARK, done)
    undo.insert(0, lambda: delattr(low_level, _MARK))
    return done


def instrument_client(
    client: Any,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Instrumentation:
    """Metrics and complete spans for `client`: the SDK's Client, best before it is entered, or a ClientSession.

    Again is as once. Raises TypeError for another object.
    """
    if (present := getattr(client, _MARK, None)) is not None:
        return present  # type: ignore[no-any-return]
    made = instruments(tracer_provider, meter_provider)
    undo: list[Callable[[], None]] = []
    if hasattr(client, "_dispatcher"):
        undo.append(_wrap_session(client, made, address={}))
    elif hasattr(client, "_build_session"):
        address = _address(getattr(client, "server", None))
        if client._session is not None:
            undo.append(_wrap_session(client._session, made, address=address))
        undo.append(_wrap_sessions_to_come(client, made, address, undo))
    else:
        raise TypeError(f"{type(client).__name__} is neither mcp.client.Client nor a ClientSession")
    done = Instrumentation(undo)
    setattr(client, _MARK, done)
    undo.insert(0, lambda: delattr(client, _MARK))
    return done


def asgi(
    app: AsgiApp, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> AsgiApp:
    """`app` with the HTTP layer: arrival times, open legacy streams, the trace of HTTP headers. Twice is as once."""
    return AsgiTelemetry(app, instruments(tracer_provider, meter_provider).server)


def _low_level(server: Any) -> Any:
    for name in _LOW_LEVEL:
        if isinstance(getattr(getattr(server, name, None), "middleware", None), list):
            return getattr(server, name)
    if isinstance(getattr(server, "middleware", None), list):
        return server
    raise TypeError(f"{type(server).__name__} has no list of middleware as servers of the MCP SDK 2 have")


def _registered_in(server: Any, low_level: Any) -> Callable[[str, str], bool]:
    """Asks the server's own look-ups, which know at once what is added or removed; listings tell of other names."""
    tool = getattr(low_level, "get_tool_input_schema", None)
    prompt = getattr(getattr(server, "_prompt_manager", None), "get_prompt", None)
    of_kind = {"tools": tool, "prompts": prompt if not iscoroutinefunction(prompt) else None}

    def registered(kind: str, name: str) -> bool:
        look_up = of_kind[kind]
        return look_up is not None and look_up(name) is not None

    return registered


def _quiet(server: Any) -> Callable[[], AbstractContextManager[None]]:
    """FastMCP opens a span of its own for each request, and offers this to those who open it for it."""
    module = sys.modules.get("fastmcp.telemetry") if hasattr(server, "_mcp_server") else None
    return getattr(module, "suppress_fastmcp_telemetry", nullcontext)


def _handlers_of(low_level: Any) -> Callable[[str], bool]:
    def has_handler(method: str) -> bool:
        return (
            low_level.get_request_handler(method) is not None or low_level.get_notification_handler(method) is not None
        )

    return has_handler


def _replace_middleware(chain: list[Any], telemetry: ServerTelemetry) -> Callable[[], None]:
    """Puts `telemetry` in the place of the SDK's own middleware, or outermost where somebody took that out."""
    at = next((index for index, one in enumerate(chain) if isinstance(one, OpenTelemetryMiddleware)), None)
    original = None if at is None else chain[at]
    if at is None:
        chain.insert(0, telemetry)
    else:
        chain[at] = telemetry

    def undo() -> None:
        if telemetry in chain:
            index = chain.index(telemetry)
            chain[index : index + 1] = [] if original is None else [original]

    return undo


def _wrap_app_factory(low_level: Any, made: Instruments) -> Callable[[], None]:
    factory = low_level.streamable_http_app

    def streamable_http_app(*arguments: Any, **named: Any) -> Any:
        app = factory(*arguments, **named)
        guarded("the ASGI layer", app.add_middleware, AsgiTelemetry, side=made.server)
        return app

    low_level.streamable_http_app = streamable_http_app
    return lambda: delattr(low_level, "streamable_http_app")


def _wrap_sessions_to_come(
    client: Any, made: Instruments, address: dict[str, str | int], undo: list[Callable[[], None]]
) -> Callable[[], None]:
    build = client._build_session

    async def build_session(*arguments: Any, **named: Any) -> Any:
        session = await build(*arguments, **named)
        wrapped = guarded("a new session", _wrap_session, session, made, address=address)
        if wrapped is not None:
            undo.append(wrapped)
        return session

    client._build_session = build_session
    return lambda: delattr(client, "_build_session")


def _wrap_session(session: Any, made: Instruments, *, address: dict[str, str | int]) -> Callable[[], None]:
    """Puts `ClientTelemetry` around what the session's dispatcher sends; the session ends where its run ends."""
    dispatcher = session._dispatcher
    telemetry = ClientTelemetry(made, session, address=address, framed=isinstance(dispatcher, JSONRPCDispatcher))
    send, notify_by, run = dispatcher.send_raw_request, dispatcher.notify, dispatcher.run

    release = EXCHANGE.hold()

    async def send_raw_request(method: str, params: Any = None, opts: Any = None, **named: Any) -> Any:
        return await telemetry.request(send, method, params, opts, **named)

    async def notify(method: str, params: Any = None, opts: Any = None, **named: Any) -> None:
        await telemetry.notify(notify_by, method, params, opts, **named)

    async def run_to_end(*arguments: Any, **named: Any) -> Any:
        try:
            return await run(*arguments, **named)
        finally:
            guarded("the end of a session", telemetry.close)
            release()

    dispatcher.send_raw_request, dispatcher.notify, dispatcher.run = send_raw_request, notify, run_to_end

    def undo() -> None:
        release()
        del dispatcher.send_raw_request, dispatcher.notify, dispatcher.run

    return undo


def _address(server: Any) -> dict[str, str | int]:
    """Attributes of the address that a Client was given: a URL; of other transports only that they are not known."""
    if not isinstance(server, str):
        return {names.TRANSPORT.key: "pipe"} if type(server).__name__ == "StdioServerParameters" else {}
    parts = urlsplit(server)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    known = {names.SERVER_ADDRESS.key: parts.hostname, names.SERVER_PORT.key: port}
    http: dict[str, str | int] = {names.TRANSPORT.key: "tcp", names.NETWORK_PROTOCOL.key: "http"}
    return http | {key: value for key, value in known.items() if value is not None}
