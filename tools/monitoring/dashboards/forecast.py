"""One workload: what is expected, what came, what was served. Its datasource is this service's Prometheus API."""

from dataclasses import replace

from app.telemetry import (
    ACTING,
    COVERAGE,
    DEMAND,
    FORECAST,
    LEAD,
    PART_FORECAST,
    PODS,
    REQUIRED,
    SERVED,
    SKILL,
    Metric,
)
from tools.monitoring import limits
from tools.monitoring.dashboard import EXPLANATION, PAGE, TRACES, WORKLOAD_PAGE, Choice, Dashboard, Source, traces_of
from tools.monitoring.dashboards.common import marks, series, stat
from tools.monitoring.limits import Limit
from tools.monitoring.panels import Panel, Query, Row, Style

_OWN = Source("datasource", "Forescale (its Prometheus API)")
_STORE = Source("prometheus", "Prometheus that scrapes Forescale")
_STEPS = {"lineInterpolation": "stepAfter"}
_BAND = (
    Style("10 %", {"custom.lineWidth": 0, "custom.hideFrom": {"legend": True, "tooltip": False, "viz": False}}),
    Style("95 %", {"custom.lineWidth": 0, "custom.fillBelowTo": "10 %", "custom.fillOpacity": 20}),
    Style("served", {"custom.lineWidth": 2, "color": {"mode": "fixed", "fixedColor": "orange"}}),
    Style("measured", {"custom.lineWidth": 1, "color": {"mode": "fixed", "fixedColor": "text"}}),
)


def forecast() -> Dashboard:
    """Reaches six hours ahead; plain Prometheus could not hold that."""
    namespaces = Choice("namespace", DEMAND.name, multi=False)
    names = Choice("name", f'{DEMAND.name}{{namespace="$namespace"}}', multi=False)
    return Dashboard(
        uid="forescale-forecast",
        title="Forescale / forecast of a workload",
        description="Expected, measured and served demand of one LoadForecast, six hours ahead.",
        variables=(_OWN, _STORE, namespaces, names, TRACES, PAGE),
        marks=[replace(one, source=_STORE.name) for one in marks()],
        start="now-24h",
        end="now+6h",
        content=(*_now(), *_demand(), *_parts(), *_pods()),
    )


def _of(metric: Metric, more: str = "") -> str:
    return f'{metric.name}{{namespace="$namespace",name="$name"{more}}}'


def _stat(title: str, description: str, unit: str, metric: Metric, limit: Limit | None = None) -> Panel:
    """Of now: the dashboard's range ends ahead of it, where most of this is not known."""
    return replace(stat(title, description, unit, _of(metric), limit=limit), last="5m")


def _now() -> tuple[Row | Panel, ...]:
    return (
        Row("Now"),
        _stat("Served", "What the HPA gets, in the unit of demand; empty: it is refused.", "short", SERVED),
        _stat("Measured", "Newest measured demand.", "short", DEMAND),
        _stat("Required", "Quantile of the largest demand until new pods are up.", "short", REQUIRED),
        _stat("Lead", "Time that a new pod needs, as planned with.", "s", LEAD),
        _stat("Skill", "Saved by acting, in the replay of the last days.", "percentunit", SKILL, limits.SKILL),
        _stat("Coverage", "Share of replayed maxima at or below their limit.", "percentunit", COVERAGE),
    )


def _demand() -> tuple[Row | Panel, ...]:
    quantiles = (("0.1", "10 %"), ("0.95", "95 %"), ("0.5", "expected"))
    bands = [Query(_of(FORECAST, f',quantile="{level}"'), legend) for level, legend in quantiles]
    measured = (Query(_of(DEMAND), "measured"), Query(_of(SERVED), "served"))
    text = "Band from the 10 % to the 95 % quantile; before now as it was forecast a lead time ahead."
    links = (EXPLANATION, WORKLOAD_PAGE, traces_of("$name"))
    drawn = Panel(
        "timeseries",
        "Forecast, demand and served value",
        text,
        "short",
        (*bands, *measured),
        width=24,
        height=12,
        styles=_BAND,
        links=links,
    )
    return Row("Demand"), drawn


def _parts() -> tuple[Row | Panel, ...]:
    """Which labels tell parts apart is the LoadForecast's choice, so legends are Grafana's: the labels that differ."""
    return (
        Row("Parts, where spec.parts names labels"),
        series(
            "Expected by part",
            "Each part's share of the median ahead of now; together they are the median. Empty: spec.parts is not set.",
            "short",
            Query(_of(PART_FORECAST, ',quantile="0.5"'), "__auto"),
            width=24,
            stacked=True,
        ),
    )


def _pods() -> tuple[Row | Panel, ...]:
    asked = series(
        "Pods asked for",
        "Pods that the served value asks for at capacityPerPod; HPA bounds are not applied.",
        "short",
        Query(_of(PODS), "pods"),
        width=12,
        links=(EXPLANATION, WORKLOAD_PAGE),
    )
    acts = _stat("Forecast acts", "1 where the forecast is served, 0 where the measured demand is.", "short", ACTING)
    return Row("Pods and events"), replace(asked, custom=_STEPS), replace(acts, width=12, height=8)
