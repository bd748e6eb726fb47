"""The few kinds of panels that the dashboards are made of, as Grafana's JSON wants them.

Format: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.monitoring.limits import Limit

Json = dict[str, Any]
Kind = Literal["timeseries", "stat", "table"]

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
_GOOD, _STILL = "green", "text"


@dataclass(frozen=True)
class Query:
    """expr: PromQL. legend: with {{label}}. instant: of the end of the range alone. exemplars: points to traces."""

    expr: str
    legend: str = ""
    instant: bool = False
    exemplars: bool = False


@dataclass(frozen=True)
class Link:
    """title, and an address in which Grafana replaces ${...}."""

    title: str
    url: str

    def json(self) -> Json:
        """As links of fields and of panels."""
        return {"title": self.title, "url": self.url, "targetBlank": True}


@dataclass(frozen=True)
class Style:
    """Of one series, found by its name: hidden edges of a band, dashes, colours."""

    series: str
    properties: Mapping[str, Any]

    def override(self) -> Json:
        """As Grafana's field overrides."""
        listed = [{"id": key, "value": value} for key, value in self.properties.items()]
        return {"matcher": {"id": "byName", "options": self.series}, "properties": listed}


@dataclass(frozen=True)
class Panel:
    """unit: of Grafana's list. width: of 24 columns. limit: its line, and its reason in the description. last: time
    until now that is shown, whatever the dashboard's range."""

    kind: Kind
    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int = 8
    height: int = 8
    limit: Limit | None = None
    stacked: bool = False
    links: Sequence[Link] = ()
    styles: Sequence[Style] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    least: float | None = 0
    most: float | None = None
    last: str = ""

    def json(self, *, identity: int, x: int, y: int) -> Json:
        """At a place of the grid."""
        return {
            "id": identity,
            "type": self.kind,
            "title": self.title,
            "description": self._text(),
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {
                "defaults": self._defaults(),
                "overrides": [one.override() for one in self.styles],
            },
            "options": self._options(),
            "targets": [self._target(place, query) for place, query in enumerate(self.queries)],
            **({"timeFrom": self.last, "hideTimeOverride": True} if self.last else {}),
        }

    def _text(self) -> str:
        if self.limit is None:
            return self.description
        side = "Below" if self.limit.below else "Above"
        return f"{self.description} {side} {self.limit.value:g} is bad: {self.limit.reason}."

    def _defaults(self) -> Json:
        found: Json = {"unit": self.unit, "custom": self._custom(), "thresholds": _thresholds(self.limit)}
        if self.kind == "timeseries":
            found |= {key: value for key, value in (("min", self.least), ("max", self.most)) if value is not None}
        if self.links:
            found["links"] = [one.json() for one in self.links]
        if self.kind == "stat":
            found["color"] = {"mode": "thresholds"}
        return found

    def _custom(self) -> Json:
        if self.kind != "timeseries":
            return dict(self.custom)
        drawn: Json = {"showPoints": "never", "fillOpacity": 40 if self.stacked else 0}
        if self.stacked:
            drawn["stacking"] = {"mode": "normal"}
        if self.limit is not None:
            drawn["thresholdsStyle"] = {"mode": "line"}
        return drawn | dict(self.custom)

    def _options(self) -> Json:
        if self.kind == "timeseries":
            return {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"showLegend": True}, **self.options}
        if self.kind == "stat":
            mode = "none" if self.limit is None else "value"
            return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": mode, "graphMode": "none", **self.options}
        return dict(self.options)

    def _target(self, place: int, query: Query) -> Json:
        instant = query.instant or self.kind == "table"
        return {
            "refId": chr(ord("A") + place),
            "datasource": DATASOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "instant": instant,
            "range": not instant,
            **({"exemplar": True} if query.exemplars else {}),
            **({"format": "table"} if self.kind == "table" else {}),
        }


def _thresholds(limit: Limit | None) -> Json:
    if limit is None:
        steps: list[Json] = [{"color": _STILL, "value": None}]
    elif limit.below:
        steps = [{"color": limit.colour, "value": None}, {"color": _GOOD, "value": limit.value}]
    else:
        steps = [{"color": _GOOD, "value": None}, {"color": limit.colour, "value": limit.value}]
    return {"mode": "absolute", "steps": steps}


@dataclass(frozen=True)
class Row:
    """A heading over the panels that follow."""

    title: str
