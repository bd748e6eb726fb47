"""Every name that the instrumentation emits: metrics, attributes, their values and their bounds.

The names with prefix `mcp.`, `gen_ai.`, `rpc.`, `network.`, `error.`, `client.`, `server.` and `jsonrpc.` are those of
OpenTelemetry's semantic conventions for MCP (repository semantic-conventions-genai, docs/gen-ai/mcp.md, status
Development). What the conventions lack bears the project's own prefix, since theirs is reserved.
CATALOGUE.md is written from this module and compared with it, and with what is emitted, by tests.
"""

from dataclasses import dataclass
from typing import Final, Literal

SCHEMA_VERSION: Final = "1.0.0"
"""Version of this vocabulary, sent as the scope's version. A removed or changed name raises the first number."""
SCOPE: Final = "forescale.tracing.mcp"
"""Name of the instrumentation scope of every span and metric."""
OTHER: Final = "_OTHER"
"""Stands for every name that is not known; the conventions' own fallback value (error.type, http.request.method)."""

DURATION_BOUNDARIES_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Bucket boundaries that the conventions ask for."""
QUEUE_BOUNDARIES_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Waiting is shorter than working; above a second a server is overloaded anyhow."""

Kind = Literal["histogram", "updowncounter"]
Stability = Literal["development", "own"]


@dataclass(frozen=True)
class Attribute:
    """Key, what it means, and which values it may have."""

    key: str
    meaning: str
    values: str
    stability: Stability = "development"
    type: Literal["string", "int"] = "string"


@dataclass(frozen=True)
class Metric:
    """Name, kind, unit (UCUM) and meaning of a metric, and the attributes its points may carry."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    attributes: tuple[Attribute, ...]
    boundaries: tuple[float, ...] = ()
    stability: Stability = "development"


METHOD = Attribute("mcp.method.name", "Method of the message.", "methods of the protocol and of the server, `_OTHER`")
TOOL = Attribute("gen_ai.tool.name", "Tool that is called.", "names that the server lists, `_OTHER`")
PROMPT = Attribute("gen_ai.prompt.name", "Prompt that is asked for.", "names that the server lists, `_OTHER`")
OPERATION = Attribute("gen_ai.operation.name", "Set for tool calls.", "`execute_tool`")
PROTOCOL_VERSION = Attribute("mcp.protocol.version", "Revision of the protocol.", "revisions the SDK knows, `_OTHER`")
ERROR_TYPE = Attribute(
    "error.type",
    "Why the operation failed; absent where it did not.",
    "JSON-RPC code, `tool_error`, `cancelled`, name of an exception, `_OTHER`",
)
ERROR_KIND = Attribute(
    "forescale.mcp.error.kind",
    "Who failed: the peer answered with a JSON-RPC error, the tool said so, the connection broke or timed out, "
    "or the caller went away.",
    "`protocol`, `tool`, `transport`, `cancelled`",
    "own",
)
STATUS_CODE = Attribute(
    "rpc.response.status_code",
    "JSON-RPC code of the answer, also of those five codes that do not count as errors of a server.",
    "codes of JSON-RPC and MCP, `_OTHER`",
)
TRANSPORT = Attribute("network.transport", "How the message came.", "`tcp` (HTTP), `pipe` (standard input and output)")
NETWORK_PROTOCOL = Attribute("network.protocol.name", "Protocol below MCP.", "`http`")
NETWORK_VERSION = Attribute("network.protocol.version", "Its version; a client does not see it.", "`1.1`, `2`, ...")
SERVER_ADDRESS = Attribute("server.address", "Host that the client was given.", "any; set on clients only")
SERVER_PORT = Attribute("server.port", "Port that the client was given.", "any; set on clients only", type="int")
CLIENT_ADDRESS = Attribute("client.address", "Address of the peer.", "any; on spans of servers only")
CLIENT_PORT = Attribute("client.port", "Port of the peer.", "any; on spans of servers only", type="int")
SESSION_ID = Attribute("mcp.session.id", "Session of the legacy era.", "any; on spans only")
REQUEST_ID = Attribute("jsonrpc.request.id", "Id of the request; absent on notifications.", "any; on spans only")
RESOURCE_URI = Attribute(
    "mcp.resource.uri", "Resource of the message, without credentials.", "any, cut at 256 characters; on spans only"
)
STREAM_KIND = Attribute(
    "forescale.mcp.stream.kind",
    "Which long-lived stream: the standing GET of a legacy session, or subscriptions/listen.",
    "`standalone`, `subscription`",
    "own",
)

_AT_SERVER = (TRANSPORT, NETWORK_PROTOCOL, NETWORK_VERSION)
_AT_CLIENT = (TRANSPORT, NETWORK_PROTOCOL, SERVER_ADDRESS, SERVER_PORT)
_MESSAGE = (METHOD, TOOL, PROMPT, OPERATION, PROTOCOL_VERSION)
_OUTCOME = (ERROR_TYPE, ERROR_KIND, STATUS_CODE)

SERVER_SPAN = (*_MESSAGE, *_AT_SERVER, *_OUTCOME, SESSION_ID, REQUEST_ID, RESOURCE_URI, CLIENT_ADDRESS, CLIENT_PORT)
"""What the span of a received message may carry. Its name is the method, then the tool's or prompt's name."""
CLIENT_SPAN = (*_MESSAGE, *_AT_CLIENT, *_OUTCOME, REQUEST_ID, RESOURCE_URI)
"""What the span of a sent message may carry; its name as above."""

SERVER_OPERATION_DURATION = Metric(
    "mcp.server.operation.duration",
    "histogram",
    "s",
    "Time from the start of a request's or notification's handling to its end, long-lived streams left out.",
    (*_MESSAGE, *_AT_SERVER, *_OUTCOME),
    DURATION_BOUNDARIES_SECONDS,
)
CLIENT_OPERATION_DURATION = Metric(
    "mcp.client.operation.duration",
    "histogram",
    "s",
    "Time from sending a request to its answer, long-lived streams left out.",
    (*_MESSAGE, *_AT_CLIENT, *_OUTCOME),
    DURATION_BOUNDARIES_SECONDS,
)
SERVER_SESSION_DURATION = Metric(
    "mcp.server.session.duration",
    "histogram",
    "s",
    "Time from a legacy session's initialize to its end. Stateless traffic has no sessions.",
    (PROTOCOL_VERSION, *_AT_SERVER),
    DURATION_BOUNDARIES_SECONDS,
)
CLIENT_SESSION_DURATION = Metric(
    "mcp.client.session.duration",
    "histogram",
    "s",
    "Time from a legacy session's initialize to its end, as the client sees it.",
    (PROTOCOL_VERSION, *_AT_CLIENT),
    DURATION_BOUNDARIES_SECONDS,
)
SERVER_ACTIVE_OPERATIONS = Metric(
    "forescale.mcp.server.active_operations",
    "updowncounter",
    "{operation}",
    "Requests that are being handled now: what a server is scaled on.",
    (METHOD, TOOL),
    stability="own",
)
CLIENT_ACTIVE_OPERATIONS = Metric(
    "forescale.mcp.client.active_operations",
    "updowncounter",
    "{operation}",
    "Requests that wait for their answer now.",
    (METHOD,),
    stability="own",
)
SERVER_ACTIVE_SESSIONS = Metric(
    "forescale.mcp.server.active_sessions",
    "updowncounter",
    "{session}",
    "Legacy sessions that are open now: what a stateful server's capacity is counted in.",
    (PROTOCOL_VERSION,),
    stability="own",
)
CLIENT_ACTIVE_SESSIONS = Metric(
    "forescale.mcp.client.active_sessions",
    "updowncounter",
    "{session}",
    "Legacy sessions that the client holds open now.",
    (PROTOCOL_VERSION,),
    stability="own",
)
SERVER_ACTIVE_STREAMS = Metric(
    "forescale.mcp.server.active_streams",
    "updowncounter",
    "{stream}",
    "Long-lived streams that are open now. They hold a connection and next to no processor.",
    (STREAM_KIND,),
    stability="own",
)
CLIENT_ACTIVE_STREAMS = Metric(
    "forescale.mcp.client.active_streams",
    "updowncounter",
    "{stream}",
    "Subscriptions that the client holds open now.",
    (STREAM_KIND,),
    stability="own",
)
SERVER_QUEUE_DURATION = Metric(
    "forescale.mcp.server.queue.duration",
    "histogram",
    "s",
    "Time from the first byte of the HTTP request reaching the application to the start of its handling: "
    "reading, checking and waiting for the event loop.",
    (METHOD,),
    QUEUE_BOUNDARIES_SECONDS,
    "own",
)

METRICS: Final = (
    SERVER_OPERATION_DURATION,
    CLIENT_OPERATION_DURATION,
    SERVER_SESSION_DURATION,
    CLIENT_SESSION_DURATION,
    SERVER_ACTIVE_OPERATIONS,
    CLIENT_ACTIVE_OPERATIONS,
    SERVER_ACTIVE_SESSIONS,
    CLIENT_ACTIVE_SESSIONS,
    SERVER_ACTIVE_STREAMS,
    CLIENT_ACTIVE_STREAMS,
    SERVER_QUEUE_DURATION,
)

TOOL_ERROR: Final = "tool_error"
CANCELLED: Final = "cancelled"
EXEMPT_ON_SERVERS: Final = frozenset({-32700, -32600, -32601, -32602, -32002})
"""Codes that the conventions do not count as errors on a server: the caller erred."""
CODES: Final = frozenset({*EXEMPT_ON_SERVERS, -32603, -32000, -32001, -32020, -32021, -32022, -32042})
"""Codes of JSON-RPC and MCP. A peer may send any number; those unknown are one value."""
