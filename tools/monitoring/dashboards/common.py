"""What several dashboards have in common: what is chosen, what is marked, short ways to say a panel."""

from collections.abc import Sequence

from app.telemetry import ACTING, CALENDAR
from tools.monitoring.dashboard import Choice, Mark
from tools.monitoring.limits import Limit
from tools.monitoring.panels import Link, Panel, Query

NAMESPACES = 'namespace=~"$namespace"'
FORECASTS = f'{NAMESPACES},name=~"$workload"'
"""Of a LoadForecast's series, as /metrics has them."""
SERVICES = f'{NAMESPACES},service=~"$workload"'
"""Of the series that MCP servers expose, as their PodMonitors label them."""
WORKLOADS = f'{NAMESPACES},workload=~"$workload"'
"""Of the series that recording rules make of pods."""
REPLICAS = 'job=~"$job",instance=~"$instance"'
"""Of the service's own series."""

RATE = "[$__rate_interval]"


def namespace(of: str) -> Choice:
    """The namespaces that a series has."""
    return Choice("namespace", of)


def workload(of: str, label: str) -> Choice:
    """The workloads of the chosen namespaces, in the label in which a series has them."""
    return Choice("workload", f"{of}{{{NAMESPACES}}}", label)


def replicas(of: str) -> tuple[Choice, Choice]:
    """Job and instance of a series; all of them are those that have it, not every job of the store."""
    return Choice("job", of, whatever=False), Choice("instance", of, whatever=False)


def marks() -> tuple[Mark, ...]:
    """What explains a change: trust won or lost, a known event, a new version of a Deployment."""
    acting = f"max by (namespace, name) ({ACTING.name}{{{NAMESPACES}}})"
    before = f"max by (namespace, name) ({ACTING.name}{{{NAMESPACES}}} offset 1m)"
    event = f"max by (namespace, name) ({CALENDAR.name}{{{NAMESPACES}}})"
    created = f"max by (namespace, replicaset) (kube_replicaset_created{{{NAMESPACES}}})"
    who = "{{namespace}}/{{name}}"
    return (
        Mark("Trust", f"{acting} != {before}", "Trust changed", f"{who}: what is served changed", "purple"),
        Mark("Calendar", f"{event} != 1", "Known event", f"{who}: the calendar changes the forecast", "blue"),
        Mark("Deploys", f"time() - {created} < 60", "Deploy", "{{namespace}}/{{replicaset}} was created", "green"),
    )


def series(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    limit: Limit | None = None,
    stacked: bool = False,
    links: Sequence[Link] = (),
    most: float | None = None,
    least: float | None = 0,
) -> Panel:
    """Lines over time, from zero on unless `least` says otherwise."""
    return Panel(
        "timeseries", title, description, unit, queries, width, 8, limit, stacked, links, most=most, least=least
    )


def stat(title: str, description: str, unit: str, expr: str, *, limit: Limit | None = None) -> Panel:
    """One number: that of the end of the range."""
    return Panel("stat", title, description, unit, (Query(expr, instant=True),), 4, 4, limit)


def table(
    title: str,
    description: str,
    unit: str,
    expr: str,
    *,
    width: int = 12,
    links: Sequence[Link] = (),
    limit: Limit | None = None,
) -> Panel:
    """A line a series, of the end of the range."""
    return Panel("table", title, description, unit, (Query(expr, instant=True),), width, 8, limit, links=links)


def or_zero(expr: str, *, label: str = "") -> str:
    """Nothing is a zero here, and only here: a count of what is wrong. Never for a measurement.

    label: which the legend names; the zero has `none` in it.
    """
    zero = f'label_replace(vector(0), "{label}", "none", "", "")' if label else "vector(0)"
    return f"({expr}) or {zero}"
