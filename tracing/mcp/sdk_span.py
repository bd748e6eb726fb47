"""Keeps the SDK's dispatcher from opening a span of its own below the one that stands for the same request.

The SDK opens its client span inside the dispatcher, with a name that is not the conventions' and an end before the
answer is read; it offers no hook. So the function by which it does is exchanged, for requests of instrumented sessions
only, while any session is instrumented. Where an SDK has no such function its span stays, as a child of ours.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from mcp.shared import jsonrpc_dispatcher
from opentelemetry.trace import INVALID_SPAN, Span

from tracing.mcp import names

_FUNCTION = "otel_span"
_current: ContextVar[Span | None] = ContextVar("tracing.mcp.sdk_span", default=None)


@contextmanager
def standing_in(span: Span) -> Iterator[None]:
    """While open, the next span that the dispatcher opens in this context is `span`."""
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)


class Exchange:
    """The exchanged function, in place while somebody holds it."""

    def __init__(self) -> None:
        self._holders: set[object] = set()
        self._original: Any = None

    def hold(self) -> Callable[[], None]:
        """Puts the exchange in place; what it returns lets go of it again, twice as once."""
        if not self._holders:
            self._original = getattr(jsonrpc_dispatcher, _FUNCTION, None)
            if self._original is not None:
                setattr(jsonrpc_dispatcher, _FUNCTION, self._span)
        holder = object()
        self._holders.add(holder)
        return lambda: self._release(holder)

    def _release(self, holder: object) -> None:
        """With the last holder the SDK's own function is back, unless somebody else has put something over it."""
        self._holders.discard(holder)
        if not self._holders and getattr(jsonrpc_dispatcher, _FUNCTION, None) == self._span:
            setattr(jsonrpc_dispatcher, _FUNCTION, self._original)

    def _span(self, name: str, **named: Any) -> AbstractContextManager[Span]:
        span = _current.get()
        return self._original(name, **named) if span is None else _taken(span, named.get("attributes") or {})


EXCHANGE = Exchange()
"""Of this process, as the module that it concerns is."""


@contextmanager
def _taken(span: Span, attributes: dict[str, Any]) -> Iterator[Span]:
    """Gives the SDK a span that keeps nothing; the request's id is the one thing it knows better."""
    _current.set(None)
    if span.is_recording() and (request_id := attributes.get(names.REQUEST_ID.key)) is not None:
        span.set_attribute(names.REQUEST_ID.key, request_id)
    yield INVALID_SPAN
