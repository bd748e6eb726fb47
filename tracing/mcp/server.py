"""Metrics and complete spans of a server: one middleware in the place of the SDK's own.

It replaces the SDK's OpenTelemetryMiddleware instead of adding to its span: a sampler sees name and attributes when the
span starts, links can only be given then, and a status once set to Error cannot be taken back.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import Token
from dataclasses import dataclass
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind

from tracing.mcp import names, outcomes
from tracing.mcp.contexts import received
from tracing.mcp.instruments import Instruments, guarded
from tracing.mcp.known import KnownNames, bounded_method, bounded_version, target_of
from tracing.mcp.outcomes import Outcome
from tracing.mcp.sessions import follow_session
from tracing.mcp.spans import finish, span_name, target_attributes
from tracing.mcp.transports import is_lookup, network_attributes, peer_attributes, received_at

_LISTEN = "subscriptions/listen"
_SUBSCRIPTION = {names.STREAM_KIND.key: "subscription"}
_OF_ACTIVE = (names.METHOD.key, names.TOOL.key)


@dataclass(slots=True)
class Received:
    """A message between its start and its end; `attributes` are those of its metrics."""

    method: str
    attributes: dict[str, str]
    active: Mapping[str, str]
    span: Span
    token: Token[Context]
    is_request: bool
    started: float

    @property
    def is_stream(self) -> bool:
        """Whether the message opens a stream that lives as long as its caller likes."""
        return self.method == _LISTEN


class ServerTelemetry:
    """The SDK's ServerMiddleware that measures and traces each inbound message. Never fails a call."""

    def __init__(
        self,
        instruments: Instruments,
        known: KnownNames,
        *,
        has_handler: Callable[[str], bool],
        record_exceptions: bool = False,
        quiet: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`has_handler`: whether the server has a method; `record_exceptions`: crashes' text and stack on the span.

        `quiet` keeps a framework above the SDK from opening its own span for the same message.
        """
        self._instruments = instruments
        self._side = instruments.server
        self._known = known
        self._has_handler = has_handler
        self._record_exceptions = record_exceptions
        self._quiet = quiet

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Handles `ctx` by `call_next`, measured."""
        message = None if is_lookup(ctx) else guarded("the start of a message", self._begin, ctx)
        if message is None:
            result = await call_next(ctx)
            guarded("a listing", self._known.learn_from_listing, ctx.method, result)
            return result
        try:
            with self._quiet():
                result = await call_next(ctx)
        except BaseException as error:
            guarded("the end of a message", self._end, message, outcomes.raised_on_server(error), error)
            raise
        guarded("a listing", self._known.learn_from_listing, ctx.method, result)
        guarded("a session", self._follow_session, ctx, message, result)
        guarded("the end of a message", self._end, message, outcomes.returned(message.method, result))
        return result

    def _begin(self, ctx: ServerRequestContext[Any, Any]) -> Received:
        started = time.perf_counter()
        method = bounded_method(ctx.method, self._has_handler)
        attributes = self._attributes(ctx, method)
        parent, links = received(ctx.meta)
        span = self._instruments.tracer.start_span(
            span_name(method, attributes),
            parent,
            SpanKind.SERVER,
            {**attributes, **peer_attributes(ctx)},
            links,
            record_exception=False,
            set_status_on_exception=False,
        )
        active = {key: attributes[key] for key in _OF_ACTIVE if key in attributes}
        token = attach(trace.set_span_in_context(span, parent))
        message = Received(method, attributes, active, span, token, ctx.request_id is not None, started)
        guarded("a metric", self._started, message, received_at(ctx.request))
        return message

    def _attributes(self, ctx: ServerRequestContext[Any, Any], method: str) -> dict[str, str]:
        attributes = {
            names.METHOD.key: method,
            names.PROTOCOL_VERSION.key: bounded_version(ctx.protocol_version),
            **network_attributes(ctx),
        }
        if (target := target_of(method, ctx.params)) is not None:
            attributes |= target_attributes(method, target if self._known.has(method, target) else names.OTHER)
        return attributes

    def _started(self, message: Received, received_seconds: float | None) -> None:
        self._count(message, 1)
        if received_seconds is not None and message.is_request:
            self._instruments.queue.record(message.started - received_seconds, {names.METHOD.key: message.method})

    def _count(self, message: Received, change: int) -> None:
        if message.is_stream:
            self._side.streams.add(change, _SUBSCRIPTION)
        elif message.is_request:
            self._side.active.add(change, message.active)

    def _end(self, message: Received, outcome: Outcome, error: BaseException | None = None) -> None:
        told = outcome.attributes()
        guarded("a metric", self._ended, message, told)  # while the span is current: it becomes the exemplar
        detach(message.token)
        finish(message.span, outcome, told, error if self._record_exceptions else None)

    def _ended(self, message: Received, told: Mapping[str, str]) -> None:
        seconds = time.perf_counter() - message.started
        self._count(message, -1)
        if not message.is_stream:
            self._side.duration.record(seconds, {**message.attributes, **told})

    def _follow_session(self, ctx: ServerRequestContext[Any, Any], message: Received, result: HandlerResult) -> None:
        if message.method == "initialize":
            agreed = (
                result.get("protocolVersion") if isinstance(result, dict) else getattr(result, "protocol_version", None)
            )
            follow_session(ctx, self._side, message.attributes, bounded_version(str(agreed)))
