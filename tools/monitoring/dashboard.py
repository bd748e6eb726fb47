"""A dashboard: what its user chooses, what is marked on all its panels, and panels in their places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tools.monitoring.panels import DATASOURCE, Json, Link, Panel, Row

COLUMNS = 24
_SCHEMA = 39  # Grafana 10; newer ones migrate it when they load it


@dataclass(frozen=True)
class Choice:
    """A label's values to choose from. of: the series whose label it is. label: where the variable has another name.

    whatever: "all" takes in what is not listed, too.
    """

    name: str
    of: str
    label: str = ""
    multi: bool = True
    whatever: bool = True

    def json(self) -> Json:
        """As Grafana's query variable."""
        query = f"label_values({self.of}, {self.label or self.name})"
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
            **({"current": {"text": ["All"], "value": ["$__all"]}} if self.multi else {}),
            **({"allValue": ".*"} if self.multi and self.whatever else {}),
        }


@dataclass(frozen=True)
class Source:
    """A datasource to choose. kind: Grafana's plugin id."""

    name: str
    label: str
    kind: str = "prometheus"

    def json(self) -> Json:
        """As Grafana's datasource variable."""
        return {
            "type": "datasource",
            "name": self.name,
            "label": self.label,
            "query": self.kind,
            "regex": "",
            "refresh": 1,
        }


@dataclass(frozen=True)
class Text:
    """A word that the user may type over."""

    name: str
    label: str
    default: str

    def json(self) -> Json:
        """As Grafana's text box."""
        current = {"text": self.default, "value": self.default}
        return {
            "type": "textbox",
            "name": self.name,
            "label": self.label,
            "query": self.default,
            "current": current,
            "options": [current],
        }


@dataclass(frozen=True)
class Mark:
    """An annotation: vertical lines where `expr` has points. source: the variable that names its datasource."""

    name: str
    expr: str
    title: str
    text: str
    colour: str
    source: str = "datasource"

    def json(self) -> Json:
        """As a query of Grafana's annotations."""
        return {
            "name": self.name,
            "datasource": {"type": "prometheus", "uid": f"${{{self.source}}}"},
            "enable": True,
            "iconColor": self.colour,
            "expr": self.expr,
            "titleFormat": self.title,
            "textFormat": self.text,
            "step": "60s",
        }


Variable = Choice | Source | Text
PROMETHEUS = Source("datasource", "Prometheus")
TRACES = Source("traces", "Traces", "jaeger")
PAGE = Text("page", "Forescale's address", "https://forescale.forescale.svc")


def _explore(query: str) -> str:
    """Grafana's Explore on the chosen traces; `query` is the datasource's own part."""
    pane = '{"t":{"datasource":"${traces}","queries":[{"refId":"A",' + query + "}],"
    pane += '"range":{"from":"${__from}","to":"${__to}"}}}'
    return "/explore?schemaVersion=1&panes=" + quote(pane, safe="${}")


def traces_of(service: str) -> Link:
    """Traces of a service in the panel's time. service: words in which Grafana replaces ${...}."""
    return Link("Traces", _explore(f'"queryType":"search","service":"{service}"'))


EXPLANATION = Link(
    "Why this value",
    "${page}/api/v1/namespaces/${__field.labels.namespace}/loadforecasts/${__field.labels.name}/explanation"
    "?at=${__value.time:date:iso}",
)
"""Of the served value at the time that was clicked: computed again from the history."""
WORKLOAD_PAGE = Link("Page of the workload", "${page}/#${__field.labels.namespace}/${__field.labels.name}")


@dataclass(frozen=True)
class Dashboard:
    """uid: its address in Grafana. file: of its JSON. content: panels follow each other from left to right."""

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    content: Sequence[Row | Panel]
    marks: Sequence[Mark] = ()
    start: str = "now-24h"
    end: str = "now"

    @property
    def file(self) -> str:
        """Name of its JSON."""
        return f"{self.uid.removeprefix('forescale-')}.json"

    def json(self) -> Json:
        """The whole document."""
        others = {"type": "dashboards", "title": "Forescale", "tags": ["forescale"], "asDropdown": True}
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
            "links": [others | {"keepTime": True, "includeVars": True}],
            "templating": {"list": [one.json() for one in self.variables]},
            "annotations": {"list": [one.json() for one in self.marks]},
            "panels": list(self._placed()),
        }

    def _placed(self) -> Iterator[Json]:
        x = y = tallest = 0
        for identity, one in enumerate(self.content, start=1):
            width = COLUMNS if isinstance(one, Row) else one.width
            if x + width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            if isinstance(one, Row):
                place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
                yield {"id": identity, "type": "row", "title": one.title, "collapsed": False, "gridPos": place}
                y += 1
                continue
            yield one.json(identity=identity, x=x, y=y)
            x, tallest = x + width, max(tallest, one.height)
