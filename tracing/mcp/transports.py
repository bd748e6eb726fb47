"""What a server can see of the transport below a message, read from the SDK's context without depending on it."""

from collections.abc import Mapping
from typing import Any

from mcp.server.context import ServerRequestContext

from tracing.mcp import names
from tracing.mcp.spans import message_attributes

RECEIVED_KEY = "forescale.tracing.mcp.received_seconds"
"""Where the ASGI layer leaves time.perf_counter() of a request's arrival in its scope."""
_SESSION_HEADER = "mcp-session-id"
_METHOD_HEADER = "mcp-method"


def network_attributes(ctx: ServerRequestContext[Any, Any]) -> Mapping[str, str]:
    """HTTP where Starlette's request is at hand; a pipe where messages are framed without; else nothing is known."""
    scope = getattr(ctx.request, "scope", None)
    if isinstance(scope, dict):
        return _OF_HTTP.get(scope.get("http_version", ""), _HTTP)
    transport = getattr(getattr(ctx.session, "_request_outbound", None), "transport", None)
    return _PIPE if getattr(transport, "kind", None) == "jsonrpc" else {}


_PIPE = {names.TRANSPORT.key: "pipe"}
_HTTP = {names.TRANSPORT.key: "tcp", names.NETWORK_PROTOCOL.key: "http"}
_OF_HTTP = {version: {**_HTTP, names.NETWORK_VERSION.key: version} for version in ("1.0", "1.1", "2", "3")}


def received_at(request: Any) -> float | None:
    """time.perf_counter() when the ASGI layer saw the request; None without that layer."""
    scope = getattr(request, "scope", None)
    at = scope.get(RECEIVED_KEY) if isinstance(scope, dict) else None
    return at if isinstance(at, float) else None


def peer_attributes(ctx: ServerRequestContext[Any, Any]) -> dict[str, str | int]:
    """What only a span may carry: ids, resource, session and address of the caller."""
    attributes: dict[str, str | int] = {**message_attributes(ctx.request_id, ctx.params)}
    connection = getattr(ctx.session, "_connection", None)
    if isinstance(session := getattr(connection, "session_id", None), str):
        attributes[names.SESSION_ID.key] = session
    client = getattr(ctx.request, "client", None)
    if client is not None:
        attributes |= {names.CLIENT_ADDRESS.key: client.host, names.CLIENT_PORT.key: client.port}
    return attributes


def is_lookup(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether this is the SDK looking up a tool's schema for a call, through the server's own tools/list.

    It passes the middleware as if a client had sent it, yet no message was: its header still names the call.
    """
    headers = getattr(ctx.request, "headers", None)
    return ctx.method == "tools/list" and headers is not None and headers.get(_METHOD_HEADER) == "tools/call"
