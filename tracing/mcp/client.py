"""Metrics and complete spans of a client: around each request that its dispatcher sends."""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Token
from dataclasses import dataclass
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind

from tracing.mcp import contexts, names, outcomes
from tracing.mcp.instruments import Instruments, guarded
from tracing.mcp.known import bounded_method, bounded_version, target_of
from tracing.mcp.outcomes import DONE, Outcome
from tracing.mcp.sdk_span import standing_in
from tracing.mcp.spans import finish, message_attributes, span_name, target_attributes

_LISTEN = "subscriptions/listen"
_SUBSCRIPTION = {names.STREAM_KIND.key: "subscription"}

RawRequest = Callable[..., Awaitable[dict[str, Any]]]
"""A dispatcher's send_raw_request(method, params, opts, ...): the answer in its wire form."""
Notify = Callable[..., Awaitable[None]]
"""A dispatcher's notify(method, params, opts, ...)."""


class Session(Protocol):
    """What is used of mcp.client.session.ClientSession."""

    @property
    def protocol_version(self) -> str | None:
        """The revision that was agreed on; None before."""


@dataclass(slots=True)
class Sent:
    """A request between its sending and its answer; `target` is as the caller wrote it."""

    method: str
    target: str | None
    span: Span
    token: Token[Context]
    started: float

    @property
    def is_stream(self) -> bool:
        """Whether the request opens a stream that lives as long as the client likes."""
        return self.method == _LISTEN

    @property
    def is_request(self) -> bool:
        """Whether somebody waits for an answer."""
        return not self.method.startswith("notifications/")


class ClientTelemetry:
    """Measures the requests of one session and the session itself. Never fails a call."""

    def __init__(
        self, instruments: Instruments, session: Session, *, address: Mapping[str, str | int], framed: bool
    ) -> None:
        """`address`: attributes of the server and of the network towards it, as far as they are known.

        `framed`: the dispatcher writes JSON-RPC, opens a span of its own, and may be given HTTP headers.
        """
        self._instruments = instruments
        self._side = instruments.client
        self._session = session
        self._address = address
        self._framed = framed
        self._opened: tuple[float, str] | None = None

    async def request(
        self, send: RawRequest, method: str, params: Mapping[str, Any] | None, opts: Any = None, **named: Any
    ) -> dict[str, Any]:
        """Sends by `send`, the dispatcher's own send_raw_request, measured."""
        sent = guarded("the start of a request", self._begin, method, params)
        if sent is None:
            return await send(method, params, opts, **named)
        try:
            result = await self._send(send, sent, method, params, opts, **named)
        except BaseException as error:
            guarded("the end of a request", self._end, sent, outcomes.raised_on_client(error))
            raise
        guarded("a listing", self._instruments.learned.learn_from_listing, method, result)
        guarded("a session", self._open, sent, result)
        guarded("the end of a request", self._end, sent, outcomes.returned(method, result))
        return result

    async def notify(
        self, send: Notify, method: str, params: Mapping[str, Any] | None, opts: Any = None, **named: Any
    ) -> None:
        """Sends by `send`, the dispatcher's own notify, measured; nothing answers it."""
        sent = guarded("the start of a notification", self._begin, method, params)
        if sent is None:
            return await send(method, params, opts, **named)
        try:
            carried = guarded("the context of a notification", _with_meta, params)
            await send(method, carried or params, opts, **named)
        except BaseException as error:
            guarded("the end of a notification", self._end, sent, outcomes.raised_on_client(error))
            raise
        guarded("the end of a notification", self._end, sent, DONE)
        return None

    async def _send(
        self, send: RawRequest, sent: Sent, method: str, params: Mapping[str, Any] | None, opts: Any, **named: Any
    ) -> dict[str, Any]:
        if not self._framed:  # the peer runs within this call: the ambient context is its context
            return await send(method, params, opts, **named)
        with_context = guarded("the headers of a request", _with_headers, opts)
        with standing_in(sent.span):
            return await send(method, params, with_context or opts, **named)

    def close(self) -> None:
        """The session is over; ends it once."""
        if self._opened is None:
            return
        (opened, version), self._opened = self._opened, None
        of_version = {names.PROTOCOL_VERSION.key: version}
        self._side.sessions.add(-1, of_version)
        self._side.session_duration.record(time.perf_counter() - opened, {**self._address, **of_version})

    def _begin(self, method: str, params: Mapping[str, Any] | None) -> Sent:
        started = time.perf_counter()
        bounded = bounded_method(method)
        target = target_of(bounded, params)
        attributes = self._attributes(bounded, self._known(bounded, target))
        span = self._instruments.tracer.start_span(
            span_name(bounded, attributes),
            kind=SpanKind.CLIENT,
            attributes={**attributes, **message_attributes(None, params)},
            record_exception=False,
            set_status_on_exception=False,
        )
        sent = Sent(bounded, target, span, attach(trace.set_span_in_context(span)), started)
        guarded("a metric", self._count, sent, 1)
        return sent

    def _known(self, method: str, target: str | None) -> str | None:
        return target if target is not None and self._instruments.learned.has(method, target) else None

    def _attributes(self, method: str, target: str | None) -> dict[str, Any]:
        attributes: dict[str, Any] = {names.METHOD.key: method, **self._address}
        if (version := self._session.protocol_version) is not None:
            attributes[names.PROTOCOL_VERSION.key] = bounded_version(version)
        return attributes if target is None else attributes | target_attributes(method, target)

    def _count(self, sent: Sent, change: int) -> None:
        if sent.is_stream:
            self._side.streams.add(change, _SUBSCRIPTION)
        elif sent.is_request:
            self._side.active.add(change, {names.METHOD.key: sent.method})

    def _end(self, sent: Sent, outcome: Outcome) -> None:
        attributes = self._attributes(sent.method, self._target_at_end(sent, outcome))
        told = outcome.attributes()
        guarded("a metric", self._ended, sent, attributes | told)  # while the span is current: it becomes the exemplar
        detach(sent.token)
        if sent.span.is_recording():
            sent.span.update_name(span_name(sent.method, attributes))
            sent.span.set_attributes(attributes)
        finish(sent.span, outcome, told)

    def _ended(self, sent: Sent, attributes: dict[str, Any]) -> None:
        seconds = time.perf_counter() - sent.started
        self._count(sent, -1)
        if not sent.is_stream:
            self._side.duration.record(seconds, attributes)

    def _target_at_end(self, sent: Sent, outcome: Outcome) -> str | None:
        """A name that the server answered well is known from then on; a first call that fails has no known target."""
        if sent.target is None:
            return None
        if outcome == DONE:
            self._instruments.learned.learn_target(sent.method, sent.target)
        return self._known(sent.method, sent.target) or names.OTHER

    def _open(self, sent: Sent, result: Mapping[str, Any]) -> None:
        if sent.method == "initialize" and self._opened is None:
            version = bounded_version(str(result.get("protocolVersion")))
            self._opened = (time.perf_counter(), version)
            self._side.sessions.add(1, {names.PROTOCOL_VERSION.key: version})


def _with_headers(opts: Mapping[str, Any] | None) -> dict[str, Any]:
    """`opts` with the trace context among the headers, so that proxies on the way are part of the trace."""
    headers = dict((opts or {}).get("headers") or {})
    contexts.inject(headers)
    return {**(opts or {}), "headers": headers}


def _with_meta(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """`params` with the trace context in `_meta`, as the SDK does for requests."""
    meta = dict((params or {}).get("_meta") or {})
    contexts.inject(meta)
    return {**(params or {}), "_meta": meta} if meta else dict(params or {})
