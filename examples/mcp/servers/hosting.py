"""What a server needs to run as several replicas behind a Service or a mesh, and to stop without losing a call.

The SDK's own checklist: a list of allowed hosts (else a request under the Service's name is refused with 421), one key
for request state on all replicas (else a retry that reaches another replica fails), and a health route.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import SubscriptionsListenRequestParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LISTEN = "subscriptions/listen"
_LOOPBACK_HOSTS = ("127.0.0.1", "127.0.0.1:*", "localhost", "localhost:*")
_SHORTEST_KEY_BYTES = 32


@dataclass(frozen=True)
class Replica:
    """Who this process is, under which names it may be called, and the key that it shares with the others."""

    name: str
    allowed_hosts: tuple[str, ...] = ()
    state_key: bytes | None = None

    @classmethod
    def of(cls, name: str, allowed_hosts: Sequence[str], state_key_file: Path | None) -> "Replica":
        """From options. Raises ValueError for a key that is too short to be one."""
        key = None if state_key_file is None else state_key_file.read_bytes().strip()
        if key is not None and len(key) < _SHORTEST_KEY_BYTES:
            raise ValueError(f"{state_key_file}: a key has at least {_SHORTEST_KEY_BYTES} bytes")
        return cls(name, tuple(allowed_hosts), key)

    @property
    def state_security(self) -> RequestStateSecurity:
        """With a key of this process alone if none is shared: then a retry has to reach the same replica."""
        return (
            RequestStateSecurity.ephemeral() if self.state_key is None else RequestStateSecurity(keys=[self.state_key])
        )

    @property
    def transport_security(self) -> TransportSecuritySettings:
        """Loopback and the allowed hosts, each with any port. Browsers' origins: of these hosts only."""
        named = (one for host in self.allowed_hosts for one in (host, f"{host}:*"))
        hosts = [*_LOOPBACK_HOSTS, *named]
        return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"http://{one}" for one in hosts])


@dataclass
class Streams:
    """The long-lived streams of both eras, so that a stop can end them: they would outlast every other call."""

    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    _ending: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._listen = ListenHandler(self.bus)

    async def middleware(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """An MCP server's innermost middleware: serves `subscriptions/listen` by a handler that can be closed."""
        if ctx.method != _LISTEN:
            return await call_next(ctx)
        return await self._listen(ctx, SubscriptionsListenRequestParams.model_validate(ctx.params or {}))

    def close(self) -> None:
        """Each `subscriptions/listen` gets its result, each GET stream of the legacy era its end."""
        self._listen.close()
        self._ending.set()

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """ASGI middleware: at the end a GET stream is told that its client has gone, the client that all was said."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["method"] != "GET":
                await app(scope, receive, send)
                return
            ending = asyncio.create_task(self._ending.wait())
            answer = _Answer(send)
            try:
                await app(scope, lambda: _either(receive, ending), answer.send)
                await answer.finish()
            finally:
                ending.cancel()

        return serve


async def _either(receive: Receive, ending: "asyncio.Task[bool]") -> Message:
    arriving = asyncio.ensure_future(receive())
    try:
        await asyncio.wait({arriving, ending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not arriving.done():
            arriving.cancel()
    return {"type": "http.disconnect"} if ending.done() else await arriving


@dataclass
class _Answer:
    """Remembers whether a response was begun and whether it was finished."""

    _send: Send
    _begun: bool = False
    _finished: bool = False

    async def send(self, message: Message) -> None:
        self._begun = True
        self._finished = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def finish(self) -> None:
        if self._begun and not self._finished:
            await self._send({"type": "http.response.body", "body": b""})


def add_health(server: MCPServer[Any]) -> None:
    """/livez and /readyz: the process answers."""

    async def healthy(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    for path in ("/livez", "/readyz"):
        server.custom_route(path, methods=["GET"])(healthy)
