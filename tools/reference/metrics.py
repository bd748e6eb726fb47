"""docs/metrics.md from app/telemetry.py and tracing/mcp/names.py."""

from typing import Final

from app import telemetry
from tools.reference.tables import code, table
from tracing.mcp import names

_HEAD: Final = """\
# Metrics

Written by `make reference` from app/telemetry.py and tracing/mcp/names.py; what is changed here is lost.

## Of the service

At `/metrics` of the serving port (6443 in the pod), over TLS, for callers that may `get` that path. Labels `namespace`
and `name` are the LoadForecast's: where a scrape adds a `namespace` of its own, set `honorLabels: true`. A workload
whose LoadForecast is gone is gone from the next scrape on.
"""
_MCP: Final = """\
## Of MCP servers and clients

What `import tracing` adds to a program that uses the MCP SDK, as Prometheus names it. Span attributes, the values of
each attribute and the stability of each name: [tracing/mcp/CATALOGUE.md](../tracing/mcp/CATALOGUE.md).
"""
_UNITS: Final = {"s": "_seconds", "By": "_bytes"}


def metrics_page() -> str:
    """The page."""
    own = [one for one in vars(telemetry).values() if isinstance(one, telemetry.Metric)]
    rows = [(code(one.name), one.kind, ", ".join(map(code, one.labels)), one.help) for one in own]
    mcp = [(code(prometheus_name(one)), _kind(one), _labels(one), one.meaning) for one in names.METRICS]
    head = ("metric", "kind", "labels", "what it is")
    return f"{_HEAD}\n{table(head, rows)}\n\n{_MCP}\n{table(head, mcp)}\n"


def prometheus_name(metric: names.Metric) -> str:
    """As the Prometheus exporter writes it: dots become underscores, units follow; {annotations} are no unit."""
    return metric.name.replace(".", "_") + _UNITS.get(metric.unit, "")


def _kind(metric: names.Metric) -> str:
    return "gauge" if metric.kind == "updowncounter" else metric.kind


def _labels(metric: names.Metric) -> str:
    return ", ".join(code(one.key.replace(".", "_")) for one in metric.attributes)
