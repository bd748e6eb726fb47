"""The few kinds of panels and variables that the dashboards are made of, as Grafana's JSON wants them.

Format: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24

_SCHEMA = 39  # Grafana 10; newer ones migrate it when they load it


@dataclass(frozen=True)
class Query:
    """expr: PromQL. legend: with {{label}}. instant: of the end of the range alone."""

    expr: str
    legend: str = ""
    instant: bool = False


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
    """unit: of Grafana's list. width: of 24 columns."""

    kind: Literal["timeseries", "stat", "table", "state-timeline"]
    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int = 12
    height: int = 8
    styles: Sequence[Style] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def json(self, *, identity: int, x: int, y: int) -> Json:
        """At a place of the grid."""
        targets = [
            {
                "refId": chr(ord("A") + place),
                "datasource": DATASOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "instant": query.instant,
                "range": not query.instant,
                **({"format": "table"} if self.kind == "table" else {}),
            }
            for place, query in enumerate(self.queries)
        ]
        return {
            "id": identity,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {
                "defaults": {"unit": self.unit, "custom": dict(self.custom)},
                "overrides": [one.override() for one in self.styles],
            },
            "options": dict(self.options),
            "targets": targets,
        }


@dataclass(frozen=True)
class Row:
    """A heading over the panels that follow."""

    title: str


@dataclass(frozen=True)
class Variable:
    """A label's values to choose from. of: the series whose label it is."""

    name: str
    of: str
    multi: bool = False

    def json(self) -> Json:
        """As Grafana's query variable."""
        query = f"label_values({self.of}, {self.name})"
        return {
            "type": "query",
            "name": self.name,
            "label": self.name,
            "datasource": DATASOURCE,
            "query": {"qryType": 1, "query": query, "refId": self.name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": self.multi,
            "includeAll": self.multi,
            **({"allValue": ".*"} if self.multi else {}),
        }


@dataclass(frozen=True)
class Dashboard:
    """uid: its address in Grafana. datasource_label: what the user is asked to choose."""

    uid: str
    title: str
    description: str
    datasource_label: str
    start: str
    end: str
    variables: Sequence[Variable]
    content: Sequence[Row | Panel]

    def json(self) -> Json:
        """The whole document. Panels follow each other from left to right and then below."""
        chosen = {
            "type": "datasource",
            "name": "datasource",
            "label": self.datasource_label,
            "query": "prometheus",
            "regex": "",
            "refresh": 1,
        }
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["forescale"],
            "schemaVersion": _SCHEMA,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": self.start, "to": self.end},
            "timezone": "browser",
            "templating": {"list": [chosen, *(one.json() for one in self.variables)]},
            "annotations": {"list": []},
            "panels": list(self._placed()),
        }

    def _placed(self) -> Sequence[Json]:
        found: list[Json] = []
        x = y = tallest = 0
        for identity, one in enumerate(self.content, start=1):
            width = COLUMNS if isinstance(one, Row) else one.width
            if x + width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            if isinstance(one, Row):
                x, tallest = 0, 0
                place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
                found.append({"id": identity, "type": "row", "title": one.title, "collapsed": False, "gridPos": place})
                y += 1
                continue
            found.append(one.json(identity=identity, x=x, y=y))
            x, tallest = x + width, max(tallest, one.height)
        return found
