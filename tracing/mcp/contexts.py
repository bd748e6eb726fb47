"""Trace context and baggage on their way through `_meta` and HTTP headers, with the propagators that are configured."""

from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Link


def received(meta: Mapping[str, Any] | None) -> tuple[Context | None, list[Link]]:
    """The context that a message's `_meta` asks to continue, and a link to the ambient span that it leaves aside.

    None is the ambient context. Baggage is taken also where no trace is; anything but text is nobody's context.
    """
    fields = _fields(propagate.get_global_textmap())
    carrier = {key: value for key, value in meta.items() if key in fields and isinstance(value, str)} if meta else None
    if not carrier:
        return None, []
    ambient = trace.get_current_span().get_span_context()
    context = propagate.extract(carrier, get_current())
    parent = trace.get_current_span(context).get_span_context()
    aside = ambient.is_valid and (parent.trace_id, parent.span_id) != (ambient.trace_id, ambient.span_id)
    return context, [Link(ambient)] if aside else []


def from_headers(headers: Iterable[tuple[bytes, bytes]]) -> Context | None:
    """The context in ASGI's headers; None where they have none, or where a span of this process is current already."""
    if trace.get_current_span().get_span_context().is_valid:
        return None
    fields = _fields(propagate.get_global_textmap())
    carrier = {name: value.decode("latin-1") for key, value in headers if (name := key.decode("latin-1")) in fields}
    return propagate.extract(carrier, get_current()) if carrier else None


@lru_cache(maxsize=4)
def _fields(propagator: TextMapPropagator) -> frozenset[str]:
    return frozenset(propagator.fields)


def inject(carrier: MutableMapping[str, str]) -> None:
    """Writes the current context into headers or `_meta`."""
    propagate.inject(carrier)
