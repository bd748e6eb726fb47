"""Metrics with a payload of namespace and name, answered as time series or as a table of workloads.

https://github.com/simPod/GrafanaJsonDatasource: GET / must answer, POST /metrics lists, POST /query gives data.
Below /json-datasource for all workloads and below /json-datasource/namespaces/NAMESPACE for those of one.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime, BaseModel, Field

from app.clock import Clock
from app.serving.lines import METRICS, Line, lines_of, rows_in
from app.snapshot import Snapshot, SnapshotStore, row_view

PREFIX = "/json-datasource"
TABLE = "workloads"
LABELS = ("namespace", "name")

_MOST_POINTS = 11_000


class Span(BaseModel):
    """What the panel shows."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")


class Payload(BaseModel):
    """Which workloads; empty: all."""

    namespace: str = ""
    name: str = ""


class Target(BaseModel):
    """One query of a panel."""

    target: str = ""
    ref_id: str = Field("", alias="refId")
    payload: Payload | str | None = None

    @property
    def wanted(self) -> Payload:
        """Its payload; the editor sends an empty text where nothing was chosen."""
        return self.payload if isinstance(self.payload, Payload) else Payload()


class Query(BaseModel):
    """Body of POST /query."""

    range: Span
    max_data_points: int = Field(1_000, alias="maxDataPoints", ge=1)
    targets: list[Target] = Field(max_length=100)


class Option(BaseModel):
    """Body of POST /metric-payload-options."""

    name: Literal["namespace", "name"] = "name"


class VariablePayload(BaseModel):
    """Which label's values."""

    target: Literal["namespace", "name"] = "name"


class Variable(BaseModel):
    """Body of POST /variable."""

    payload: VariablePayload = VariablePayload()


def router(store: SnapshotStore, clock: Clock) -> APIRouter:
    """The routes, for all namespaces and for one. Plain functions: the framework runs them in threads."""
    routes = APIRouter(include_in_schema=False)

    def options_of(request: Request, asked: str) -> list[str]:
        snapshot, seen = _seen(store, request)
        return sorted({getattr(snapshot.forecasts[row], asked) for row in seen}) if snapshot is not None else []

    def options(request: Request, asked: Option) -> list[dict[str, str]]:
        return [{"value": one, "label": one} for one in options_of(request, asked.name)]

    def variable(request: Request, asked: Variable) -> list[dict[str, str]]:
        return [{"__text": one, "__value": one} for one in options_of(request, asked.payload.target)]

    def query(request: Request, asked: Query) -> list[dict[str, object]]:
        snapshot, seen = _seen(store, request)
        return [] if snapshot is None else list(_answers(snapshot, seen, asked, clock.now()))

    for base in (PREFIX, PREFIX + "/namespaces/{namespace}"):
        for path in (base, base + "/"):
            routes.add_api_route(path, _here)
        routes.add_api_route(base + "/metrics", _metrics, methods=["POST"])
        routes.add_api_route(base + "/metric-payload-options", options, methods=["POST"])
        routes.add_api_route(base + "/variable", variable, methods=["POST"])
        routes.add_api_route(base + "/query", query, methods=["POST"])
    return routes


async def _here() -> PlainTextResponse:
    return PlainTextResponse("Forecasts for the JSON datasource: point it here.\n")


def _metrics() -> list[dict[str, object]]:
    payloads = [{"name": name, "label": name, "type": "select"} for name in LABELS]
    return [{"value": name, "label": name, "payloads": payloads} for name in (TABLE, *METRICS)]


def _seen(store: SnapshotStore, request: Request) -> tuple[Snapshot | None, list[int]]:
    snapshot = store.latest
    return snapshot, [] if snapshot is None else list(rows_in(snapshot, request.path_params.get("namespace")))


def _answers(snapshot: Snapshot, seen: list[int], asked: Query, now: float) -> Iterator[dict[str, object]]:
    for target in asked.targets:
        wanted = target.wanted
        rows = [
            row
            for row in seen
            if wanted.namespace in ("", snapshot.forecasts[row].namespace)
            and wanted.name in ("", snapshot.forecasts[row].name)
        ]
        if target.target == TABLE:
            yield _table(snapshot, rows, target.ref_id, now)
        elif target.target in METRICS:
            for row in rows:
                for line in lines_of(snapshot, row, target.target, now=now):
                    yield {"target": _named(line), "refId": target.ref_id, "datapoints": _points(line, asked)}


def _named(line: Line) -> str:
    quantile = line.labels.get("quantile")
    return f"{line.labels['namespace']}/{line.labels['name']}" + (f" {quantile}" if quantile else "")


def _points(line: Line, asked: Query) -> list[list[float]]:
    """[value, milliseconds], of each stretch that one point stands for the largest number."""
    inside = (line.times_s >= asked.range.start.timestamp()) & (line.times_s <= asked.range.end.timestamp())
    times, values = line.times_s[inside], line.values[inside]
    each = -(-times.size // min(asked.max_data_points, _MOST_POINTS)) if times.size else 1
    largest = np.maximum.reduceat(values, np.arange(0, times.size, each)) if times.size else values
    return [[value, time_s * 1000] for value, time_s in zip(largest.tolist(), times[::each].tolist(), strict=True)]


def _table(snapshot: Snapshot, rows: list[int], ref_id: str, now: float) -> dict[str, object]:
    columns = ("namespace", "name", "served", "demand", "required", "reason", "skill", "coverage", "lead_seconds")
    numeric = ("served", "demand", "required", "skill", "coverage", "lead_seconds")
    found = []
    for row in rows:
        view = row_view(snapshot, row, now=now)
        rest = [getattr(view, name) for name in columns[2:]]
        found.append([view.forecast.namespace, view.forecast.name, *rest])
    typed = [{"text": name, "type": "number" if name in numeric else "string"} for name in columns]
    return {"type": "table", "refId": ref_id, "columns": typed, "rows": found}
