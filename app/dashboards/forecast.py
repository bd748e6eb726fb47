"""One workload: what is expected, what came, what was served. Its datasource is this service's Prometheus API."""

from app.dashboards.panels import Dashboard, Panel, Query, Row, Style, Variable
from app.telemetry import ACTING, COVERAGE, DEMAND, FORECAST, LEAD, PODS, REQUIRED, SERVED, SKILL, Metric


def _of(metric: Metric, more: str = "") -> str:
    return f'{metric.name}{{namespace="$namespace",name="$name"{more}}}'


def _quantile(level: str, legend: str) -> Query:
    return Query(_of(FORECAST, f',quantile="{level}"'), legend)


def _stat(title: str, description: str, unit: str, metric: Metric) -> Panel:
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"}
    return Panel("stat", title, description, unit, (Query(_of(metric)),), width=4, height=4, options=options)


def forecast_dashboard() -> Dashboard:
    """Reaches six hours ahead; plain Prometheus could not hold that."""
    band = (
        Style("10 %", {"custom.lineWidth": 0, "custom.hideFrom": {"legend": True, "tooltip": False, "viz": False}}),
        Style("95 %", {"custom.lineWidth": 0, "custom.fillBelowTo": "10 %", "custom.fillOpacity": 20}),
        Style("served", {"custom.lineWidth": 2, "color": {"mode": "fixed", "fixedColor": "orange"}}),
        Style("measured", {"custom.lineWidth": 1, "color": {"mode": "fixed", "fixedColor": "text"}}),
    )
    return Dashboard(
        uid="forescale-forecast",
        title="Forescale / forecast of a workload",
        description="Expected, measured and served demand of one LoadForecast, six hours ahead.",
        datasource_label="Forescale (its Prometheus API)",
        start="now-24h",
        end="now+6h",
        variables=(Variable("namespace", DEMAND.name), Variable("name", f'{DEMAND.name}{{namespace="$namespace"}}')),
        content=(
            Row("Now"),
            _stat("Served", "What the HPA gets, in the unit of demand; empty: it is refused.", "short", SERVED),
            _stat("Measured", "Newest measured demand.", "short", DEMAND),
            _stat("Required", "Quantile of the largest demand until new pods are up.", "short", REQUIRED),
            _stat("Lead", "Time that a new pod needs, as planned with.", "s", LEAD),
            _stat("Skill", "Saved by acting, in the replay of the last days.", "percentunit", SKILL),
            _stat("Coverage", "Share of replayed maxima at or below their limit.", "percentunit", COVERAGE),
            Row("Demand"),
            Panel(
                "timeseries",
                "Forecast, demand and served value",
                "Band from the 10 % to the 95 % quantile; before now as it was forecast a lead time ahead.",
                "short",
                (
                    _quantile("0.1", "10 %"),
                    _quantile("0.95", "95 %"),
                    _quantile("0.5", "expected"),
                    Query(_of(DEMAND), "measured"),
                    Query(_of(SERVED), "served"),
                ),
                width=24,
                height=12,
                styles=band,
            ),
            Row("Pods and events"),
            Panel(
                "timeseries",
                "Pods asked for",
                "Pods that the served value asks for at capacityPerPod; HPA bounds are not applied.",
                "short",
                (Query(_of(PODS), "pods"),),
                custom={"lineInterpolation": "stepAfter"},
            ),
            Panel(
                "state-timeline",
                "Forecast acts",
                "1 while the forecast is served, 0 while the measured demand is.",
                "short",
                (Query(_of(ACTING), "acting"),),
            ),
        ),
    )
