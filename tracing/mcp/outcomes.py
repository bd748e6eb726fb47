"""How an operation ended: error type, who failed, and the code of the answer, by the semantic conventions."""

from dataclasses import dataclass
from typing import Literal

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INVALID_PARAMS, REQUEST_TIMEOUT, CallToolResult
from pydantic import ValidationError

from tracing.mcp import names
from tracing.mcp.known import bounded_code

ErrorKind = Literal["protocol", "tool", "transport", "cancelled"]
_TRANSPORT_CODES = frozenset({CONNECTION_CLOSED, REQUEST_TIMEOUT})


@dataclass(frozen=True)
class Outcome:
    """`error_type` and `kind` are None where the operation counts as done; `code` is that of a JSON-RPC error."""

    error_type: str | None = None
    kind: ErrorKind | None = None
    code: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether a span of it has status Error. Who goes away gets no answer, but nothing failed."""
        return self.kind is not None and self.kind != "cancelled"

    def attributes(self) -> dict[str, str]:
        """Those attributes that apply."""
        return {
            attribute.key: value
            for attribute, value in (
                (names.ERROR_TYPE, self.error_type),
                (names.ERROR_KIND, self.kind),
                (names.STATUS_CODE, self.code),
            )
            if value is not None
        }


DONE = Outcome()
_TOOL_ERROR = Outcome(names.TOOL_ERROR, "tool")
_CANCELLED = Outcome(names.CANCELLED, "cancelled")


def returned(method: str, result: object) -> Outcome:
    """The outcome of an operation that answered: a tool may say within its answer that it failed."""
    if method != "tools/call":
        return DONE
    if isinstance(result, dict):
        return _TOOL_ERROR if result.get("isError") is True else DONE
    return _TOOL_ERROR if isinstance(result, CallToolResult) and result.is_error else DONE


def raised_on_server(error: BaseException) -> Outcome:
    """The outcome of a handler that raised. Five codes say that the caller erred: those are no errors of a server."""
    if isinstance(error, anyio.get_cancelled_exc_class()):
        return _CANCELLED
    code = _code(error)
    if code is None:
        return Outcome(type(error).__qualname__, "protocol")
    text = bounded_code(code)
    return Outcome(code=text) if code in names.EXEMPT_ON_SERVERS else Outcome(text, "protocol", text)


def raised_on_client(error: BaseException) -> Outcome:
    """The outcome of a request that raised: an error answer, or a connection that broke or timed out."""
    if isinstance(error, anyio.get_cancelled_exc_class()):
        return _CANCELLED
    code = _code(error)
    if code is None:
        return Outcome(type(error).__qualname__, "transport")
    text = bounded_code(code)
    return Outcome(text, "transport" if code in _TRANSPORT_CODES else "protocol", text)


def _code(error: BaseException) -> int | None:
    if isinstance(error, MCPError):
        return error.error.code
    return INVALID_PARAMS if isinstance(error, ValidationError) else None
