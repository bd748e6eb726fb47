"""Sessions of the legacy era on a server: counted from a successful initialize until the SDK closes the connection."""

import time
from collections.abc import Mapping
from typing import Any

from mcp.server.context import ServerRequestContext

from tracing.mcp import names
from tracing.mcp.instruments import Side, guarded

_OF_DURATION = tuple(attribute.key for attribute in names.SERVER_SESSION_DURATION.attributes)
_STATE_KEY = "forescale.tracing.mcp.session"


def follow_session(
    ctx: ServerRequestContext[Any, Any], side: Side, attributes: Mapping[str, str], version: str
) -> None:
    """Counts the session that `ctx`, an initialize that succeeded, has opened on its connection, and its end.

    A stateless connection answers initialize too, but lives for that one request: it has neither channel nor session.
    """
    connection = getattr(ctx.session, "_connection", None)
    if connection is None or not connection.has_standalone_channel or _STATE_KEY in connection.state:
        return
    connection.state[_STATE_KEY] = True
    shared = {key: value for key, value in attributes.items() if key in _OF_DURATION}
    of_session = {**shared, names.PROTOCOL_VERSION.key: version}
    active = {names.PROTOCOL_VERSION.key: version}
    opened = time.perf_counter()
    side.sessions.add(1, active)

    def close() -> None:
        guarded("the end of a session", side.sessions.add, -1, active)
        guarded("the end of a session", side.session_duration.record, time.perf_counter() - opened, of_session)

    connection.exit_stack.callback(close)
