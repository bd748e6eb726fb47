"""Writes CATALOGUE.md from names.py: `python -m tracing.mcp.catalogue` prints it. Tests compare it with the file."""

from collections.abc import Iterable
from typing import Final

from tracing.mcp import names
from tracing.mcp.names import Attribute, Metric

_CONVENTIONS = "semantic conventions for MCP"
_SOURCES: Final = {"development": _CONVENTIONS, "own": "this project"}
_STABILITIES: Final = {"development": "development", "own": "this schema's version"}

_HEAD = f"""# Catalogue of MCP telemetry

Schema version {names.SCHEMA_VERSION}, sent as the version of the instrumentation scope `{names.SCOPE}`. A name that is
removed or changes its meaning raises the first number, a new one the second. `python -m tracing.mcp.catalogue` writes
this page; a test compares it with what real clients and servers of the SDK emit in both eras of the protocol.

Sources: OpenTelemetry's semantic conventions for MCP (repository semantic-conventions-genai, status Development) and,
where they have no name, this project, under the prefix `forescale.`. In Prometheus dots become underscores and units
are appended: `mcp_server_operation_duration_seconds_bucket`, `forescale_mcp_server_active_operations`.
"""

_SPANS = """## Spans

One for each message on each side: kind SERVER where it is received, CLIENT where it is sent. Its name is the method,
followed by the tool's or prompt's name where it has one and the name is known. A received message continues the trace
in its `_meta`, and links to the span that was ambient (that of HTTP, say) where that is another.
Status is Error where `error.type` is set, but for cancellations; it has no text, since texts hold what callers sent.
"""


def catalogue() -> str:
    """The page."""
    return "\n".join([_HEAD, *_metrics(), _SPANS, *_span_attributes(), "", *_attributes()]) + "\n"


def _metrics() -> Iterable[str]:
    yield from ("## Metrics", "", "| metric | kind | unit | meaning | attributes | stability | source |")
    yield "|---|---|---|---|---|---|---|"
    for metric in names.METRICS:
        keys = ", ".join(f"`{attribute.key}`" for attribute in metric.attributes)
        yield _row(f"`{metric.name}`", _kind(metric), f"`{metric.unit}`", metric.meaning, keys, *_origin(metric))
    yield ""


def _kind(metric: Metric) -> str:
    if not metric.boundaries:
        return metric.kind
    return f"{metric.kind}, boundaries {' '.join(f'{boundary:g}' for boundary in metric.boundaries)}"


def _span_attributes() -> Iterable[str]:
    yield "| attribute | received | sent |"
    yield "|---|---|---|"
    for attribute in dict.fromkeys((*names.SERVER_SPAN, *names.CLIENT_SPAN)):
        sides = ("x" if attribute in side else "" for side in (names.SERVER_SPAN, names.CLIENT_SPAN))
        yield _row(f"`{attribute.key}`", *sides)


def _attributes() -> Iterable[str]:
    yield from (
        "## Attributes",
        "",
        "| attribute | type | meaning | values | stability | source |",
        "|---|---|---|---|---|---|",
    )
    of_metrics = (attribute for metric in names.METRICS for attribute in metric.attributes)
    for one in dict.fromkeys((*names.SERVER_SPAN, *names.CLIENT_SPAN, *of_metrics)):
        yield _row(f"`{one.key}`", one.type, one.meaning, one.values, *_origin(one))


def _origin(described: Attribute | Metric) -> tuple[str, str]:
    return _STABILITIES[described.stability], _SOURCES[described.stability]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(catalogue(), end="")  # noqa: T201 - a page for a file
