"""What spans of servers and clients have in common: name, target and end."""

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from opentelemetry.trace import Span, StatusCode

from tracing.mcp import names
from tracing.mcp.outcomes import Outcome

_TEXT_LIMIT = 256


def target_attributes(method: str, target: str) -> dict[str, str]:
    """The attributes of a message that names `target`, a name already bounded."""
    if method == "tools/call":
        return {names.TOOL.key: target, names.OPERATION.key: "execute_tool"}
    return {names.PROMPT.key: target}


def span_name(method: str, attributes: Mapping[str, str]) -> str:
    """The conventions' `{method} {target}`; a resource is no target, there are too many of them."""
    target = attributes.get(names.TOOL.key) or attributes.get(names.PROMPT.key)
    return f"{method} {target}" if target else method


def message_attributes(request_id: object, params: Mapping[str, object] | None) -> dict[str, str]:
    """Request id and resource: too many values for a metric."""
    attributes = {} if request_id is None else {names.REQUEST_ID.key: str(request_id)[:_TEXT_LIMIT]}
    uri = params.get("uri") if params else None
    if isinstance(uri, str):
        attributes[names.RESOURCE_URI.key] = without_credentials(uri)[:_TEXT_LIMIT]
    return attributes


def without_credentials(uri: str) -> str:
    """`uri` without user, password, query and fragment, where secrets are wont to be."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def finish(span: Span, outcome: Outcome, told: Mapping[str, str], error: BaseException | None = None) -> None:
    """Ends `span` with the attributes that tell of `outcome`. Its status has no text: texts hold what callers sent."""
    try:
        if span.is_recording():
            if told:
                span.set_attributes(told)
            if outcome.is_error:
                span.set_status(StatusCode.ERROR)
            if error is not None:
                span.record_exception(error)
    finally:
        span.end()
