"""/metrics: what the process counts, and one line per workload and gauge.

In Prometheus' text format, or as OpenMetrics for who asks: then with exemplars, which lead to traces.

Lines of workloads are written directly: objects of the client library for 10,000 workloads would take seconds of the
interpreter's lock at each scrape. Columns that only change with the snapshot are kept until the next one.
"""

import asyncio
import gzip
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from app import spans
from app.clock import Clock
from app.serving.economy_lines import pool_lines, workload_lines
from app.serving.part_lines import drain_lines, part_lines
from app.snapshot import Snapshot, SnapshotStore
from app.telemetry import (
    ACTING,
    AHEAD,
    CALENDAR,
    COVERAGE,
    CUT,
    DATA_AGE,
    DEMAND,
    FIT_SECONDS,
    FITS,
    FITTED,
    HEADROOM,
    LEAD,
    LEVEL,
    NODE_LEAD,
    PASS_SECONDS,
    PASSES,
    PODS,
    PODS_AHEAD,
    REFUSED,
    REQUIRED,
    RESTARTS,
    SERVED,
    SETTLED,
    SKILL,
    SOURCE_REQUESTS,
    Metric,
)

_PASSED = f"{PASSES.name}|ok"

COUNTED = (PASSES, FITS, SOURCE_REQUESTS, PASS_SECONDS, FIT_SECONDS, RESTARTS)

HORIZONS: Mapping[str, int] = {"10m": 600, "1h": 3_600, "6h": 21_600}
"""Fixed times ahead that are scraped, for alerts and recording rules: Grafana's alerting cannot ask for the future."""

_AHEAD_WORKLOADS = 1_000  # of more, a scrape with 12 lines each would be slow to write and to store
_GZIP_LEVEL = 1  # a scrape is worth little time; text as repetitive as this shrinks to a tenth even so
_OPEN_METRICS = "application/openmetrics-text"
_END = b"# EOF\n"
_ROUND_OFF = 1e-9  # 0.3 / 0.1 is three pods
_MOST_SECONDS = 1e15  # a time further away is a sign of a broken number, not of a time


class PipelineCollector:
    """What the pipeline counts: Snapshot.counters, whose keys are `metric name` or `metric name|value of its label`."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: names are known without a collection at registration."""
        return []

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Families that app/telemetry.py knows; a counter it does not know is not exposed."""
        snapshot = self._store.latest
        if snapshot is None:
            return
        shown = ((CUT, float(snapshot.cut_s)), (SETTLED, float(snapshot.settled)), (FITTED, snapshot.fitted_s))
        for metric, value in shown:
            if abs(value) < _MOST_SECONDS:
                yield GaugeMetricFamily(metric.name, metric.help, value=value)
        for metric in COUNTED:
            yield _family(metric, snapshot)


def _family(metric: Metric, snapshot: Snapshot) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for key, value in snapshot.counters.items():
        name, _, label = key.partition("|")
        if name == metric.name and math.isfinite(value):
            exemplar = _of_last_pass(snapshot) if key == _PASSED else None
            _add(family, [label] if metric.labels else [], value, exemplar)
    return family


def _add(family: CounterMetricFamily | GaugeMetricFamily, labels: list[str], value: float, at: Exemplar | None) -> None:
    if isinstance(family, CounterMetricFamily):
        family.add_metric(labels, value, exemplar=at)
    else:
        family.add_metric(labels, value)


def _of_last_pass(snapshot: Snapshot) -> Exemplar | None:
    """The last pass's duration in seconds and where its trace is; None where it was not traced."""
    labels = spans.exemplar(snapshot.trace)
    return None if labels is None else Exemplar(labels, snapshot.counters.get(PASS_SECONDS.name, 0.0))


@dataclass(frozen=True)
class _Lines:
    """Lines that hold as long as a snapshot does, and the beginnings of the others: `{namespace="a",name="b"`."""

    snapshot: Snapshot
    labels: Sequence[str]
    capacity_per_pod: NDArray[np.float64]
    lasting: str


@dataclass
class WorkloadLines:
    """Text of all per-workload gauges. Thread-safe; keeps the last snapshot's lines."""

    _kept: _Lines | None = None
    _lock: Lock = field(default_factory=Lock)

    def text(self, snapshot: Snapshot, *, now: float) -> str:
        """The gauges as of `now` (Unix seconds). A refused value has no `served` line: no number is not zero."""
        lines = self._lines(snapshot)
        servable = snapshot.servable(now)
        served = np.where(servable, snapshot.served, np.nan)
        acting = (snapshot.acting & servable).astype(np.float64)
        refusals = [
            f'{REFUSED.name}{lines.labels[row]},reason="{_escaped(str(snapshot.refusal(row, now)))}"}} 1\n'
            for row in np.flatnonzero(~servable).tolist()
        ]
        return "".join(
            (
                lines.lasting,
                _gauge(SERVED, lines.labels, served),
                _gauge(PODS, lines.labels, np.ceil(served / lines.capacity_per_pod - _ROUND_OFF)),
                _gauge(ACTING, lines.labels, acting),
                _gauge(DATA_AGE, lines.labels, now - snapshot.data_s),
                pool_lines(snapshot.economics, now=now, gauge=_gauge),
                _header(REFUSED),
                *refusals,
            )
        )

    def _lines(self, snapshot: Snapshot) -> _Lines:
        with self._lock:
            kept = self._kept
            if kept is None or kept.snapshot is not snapshot:
                same = kept is not None and kept.snapshot.forecasts is snapshot.forecasts
                labels = kept.labels if kept is not None and same else _labels(snapshot)
                capacity = np.asarray([one.spec.capacity_per_pod for one in snapshot.forecasts], dtype=np.float64)
                kept = self._kept = _Lines(snapshot, labels, capacity, _lasting(snapshot, labels))
            return kept


def _labels(snapshot: Snapshot) -> Sequence[str]:
    return [f'{{namespace="{_escaped(one.namespace)}",name="{_escaped(one.name)}"' for one in snapshot.forecasts]


def _lasting(snapshot: Snapshot, labels: Sequence[str]) -> str:
    origins = [
        f'{label},origin="{_escaped(origin)}"' for label, origin in zip(labels, snapshot.lead_origin, strict=True)
    ]
    return "".join(
        (
            _gauge(DEMAND, labels, snapshot.demand),
            _gauge(REQUIRED, labels, snapshot.required),
            _gauge(LEAD, origins, snapshot.lead_seconds.astype(np.float64)),
            _gauge(LEVEL, labels, snapshot.level),
            _gauge(COVERAGE, labels, snapshot.coverage),
            _gauge(SKILL, labels, snapshot.skill),
            _gauge(CALENDAR, labels, snapshot.calendar),
            _ahead(snapshot, labels) if len(labels) <= _AHEAD_WORKLOADS else _header(AHEAD),
            workload_lines(snapshot, labels, gauge=_gauge, header=_header, lines=_lines),
            _room(snapshot, labels),
            part_lines(snapshot, labels, horizons=HORIZONS, gauge=_gauge, escaped=_escaped),
            drain_lines(snapshot, labels, gauge=_gauge),
        )
    )


def _room(snapshot: Snapshot, labels: Sequence[str]) -> str:
    """Of the workloads that want room on nodes; no line at all where none does."""
    room = snapshot.room
    if not room.rows.size:
        return ""
    wanting = [labels[row] for row in room.rows.tolist()]
    origins = [f'{label},origin="{origin}"' for label, origin in zip(wanting, room.node_lead_origin, strict=True)]
    return "".join(
        (
            _gauge(NODE_LEAD, origins, room.node_lead_seconds.astype(np.float64)),
            _gauge(PODS_AHEAD, wanting, room.ahead),
            _gauge(HEADROOM, wanting, room.headroom),
        )
    )


def _ahead(snapshot: Snapshot, labels: Sequence[str]) -> str:
    """The quantiles at the fixed horizons that the path reaches."""
    parts = [_header(AHEAD)]
    for horizon, seconds in HORIZONS.items():
        column = snapshot.column_ahead(seconds)
        if column is not None:
            for place, level in enumerate(snapshot.levels):
                named = [f'{label},horizon="{horizon}",quantile="{level:g}"' for label in labels]
                parts.append(_lines(AHEAD, named, snapshot.quantiles[:, column, place].astype(np.float64)))
    return "".join(parts)


def _gauge(metric: Metric, labels: Sequence[str], values: NDArray[np.float64]) -> str:
    """Header and a line for each finite value."""
    return _header(metric) + _lines(metric, labels, values)


def _lines(metric: Metric, labels: Sequence[str], values: NDArray[np.float64]) -> str:
    name = metric.name
    rows = np.flatnonzero(np.isfinite(values))
    numbers = values.tolist()
    return "".join([f"{name}{labels[row]}}} {numbers[row]!r}\n" for row in rows.tolist()])


def _header(metric: Metric) -> str:
    return f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def exposition(store: SnapshotStore, clock: Clock, registry: CollectorRegistry) -> Callable[..., bytes]:
    """A function that gives the whole text, as OpenMetrics if it is given True.

    Registers the pipeline's collector in `registry`, so call it once.
    """
    registry.register(PipelineCollector(store))
    workloads = WorkloadLines()

    def text(open_metrics: bool = False) -> bytes:
        snapshot = store.latest
        ours = b"" if snapshot is None else workloads.text(snapshot, now=clock.now()).encode()
        if open_metrics:
            counted: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            return counted.removesuffix(_END) + ours + _END
        return generate_latest(registry) + ours

    return text


def router(store: SnapshotStore, clock: Clock, registry: CollectorRegistry) -> APIRouter:
    """GET /metrics. The text is made in a thread; OpenMetrics and gzip where the caller takes them."""
    text = exposition(store, clock, registry)
    routes = APIRouter()

    @routes.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        compress = "gzip" in request.headers.get("accept-encoding", "")
        open_metrics = _OPEN_METRICS in request.headers.get("accept", "")

        def body_of() -> bytes:
            plain = text(open_metrics)
            return gzip.compress(plain, _GZIP_LEVEL, mtime=0) if compress else plain

        body = await asyncio.to_thread(body_of)
        kind = openmetrics.CONTENT_TYPE_LATEST if open_metrics else CONTENT_TYPE_PLAIN_0_0_4
        headers = {"content-type": kind, "vary": "accept, accept-encoding"}
        return Response(body, headers=headers | ({"content-encoding": "gzip"} if compress else {}))

    return routes
