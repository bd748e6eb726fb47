"""The ASGI layer around an MCP server: when requests arrive, which streams stand open, and whose trace HTTP carries."""

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextvars import Token
from typing import Any

from opentelemetry.context import Context, attach, detach

from tracing.mcp import names
from tracing.mcp.contexts import from_headers
from tracing.mcp.instruments import Side, guarded
from tracing.mcp.transports import RECEIVED_KEY

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_STANDALONE = {names.STREAM_KIND.key: "standalone"}


class AsgiTelemetry:
    """Passes everything through. Two layers around one application are as one."""

    def __init__(self, app: AsgiApp, side: Side) -> None:
        self._app = app
        self._side = side

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Marks the arrival, continues the headers' trace where none is current, and counts a legacy GET stream."""
        if scope["type"] != "http" or RECEIVED_KEY in scope:
            await self._app(scope, receive, send)
            return
        scope[RECEIVED_KEY] = time.perf_counter()
        token = guarded("HTTP headers", _attach_headers, scope["headers"])
        stream = OpenStream(self._side, send) if _is_standing_get(scope) else None
        try:
            await self._app(scope, receive, send if stream is None else stream.send)
        finally:
            if stream is not None:
                stream.close()
            if token is not None:
                guarded("HTTP headers", detach, token)


class OpenStream:
    """A response that is counted as a stream from the moment that it proves to be one."""

    def __init__(self, side: Side, send: Send) -> None:
        self._side = side
        self._send = send
        self._open = False

    async def send(self, message: Message) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start" and message["status"] == 200 and not self._open:
            self._open = True
            guarded("a stream", self._side.streams.add, 1, _STANDALONE)
        await self._send(message)

    def close(self) -> None:
        """The response is over."""
        if self._open:
            self._open = False
            guarded("a stream", self._side.streams.add, -1, _STANDALONE)


def _attach_headers(headers: Iterable[tuple[bytes, bytes]]) -> Token[Context] | None:
    context = from_headers(headers)
    return None if context is None else attach(context)


def _is_standing_get(scope: Scope) -> bool:
    """A GET of a session: the stream on which a legacy server speaks first. Other pages of the application are not."""
    return scope["method"] == "GET" and any(name == b"mcp-session-id" for name, _ in scope["headers"])
