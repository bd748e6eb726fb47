"""From a snapshot to what REST answers: finding, filtering and cutting out; no HTTP in here."""

import base64
import binascii
import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app import __version__
from app.serving.rest.explanation import utc
from app.serving.rest.schemas import Ahead, Forecast, Health, Number, Points, QuantilePath, Rejected, Target, Workload
from app.snapshot import RowView, Snapshot, number_or_none, row_view

REJECTED_SHOWN = 100
_PLACE = "@"  # no namespace begins with it
_LONGEST_PLACE = 9
_ROUND_OFF = 1e-9  # 0.3 / 0.1 is three pods


@dataclass(frozen=True)
class Filter:
    """Which workloads are wanted; None: any. search: part of namespace/name, case ignored."""

    namespace: str | None = None
    acting: bool | None = None
    reason: str | None = None
    search: str | None = None

    @property
    def everything(self) -> bool:
        """True if nothing is filtered out."""
        return self == Filter()


def matching(snapshot: Snapshot, wanted: Filter, *, now: float) -> Sequence[int]:
    """Rows that the filter lets through, in order."""
    if wanted.everything:
        return range(len(snapshot.forecasts))
    servable = snapshot.servable(now)
    acting = snapshot.acting & servable
    search = (wanted.search or "").lower()
    return [
        row
        for row, forecast in enumerate(snapshot.forecasts)
        if (wanted.namespace is None or forecast.namespace == wanted.namespace)
        and (wanted.acting is None or acting[row] == wanted.acting)
        and (not search or search in forecast.key)
        and (wanted.reason is None or wanted.reason == _reason(snapshot, row, now, served=bool(servable[row])))
    ]


def _reason(snapshot: Snapshot, row: int, now: float, *, served: bool) -> str:
    return str(snapshot.reason[row] if served else snapshot.refusal(row, now))


SORTED_BY: Mapping[str, Callable[[Snapshot, float], NDArray[np.float64]]] = {
    "served": lambda snapshot, now: np.where(snapshot.servable(now), snapshot.served, np.nan),
    "demand": lambda snapshot, now: snapshot.demand,
    "required": lambda snapshot, now: snapshot.required,
    "skill": lambda snapshot, now: snapshot.skill,
    "coverage": lambda snapshot, now: snapshot.coverage,
    "age": lambda snapshot, now: now - snapshot.data_s,
}


def in_order(snapshot: Snapshot, rows: Sequence[int], column: str, *, falling: bool, now: float) -> Sequence[int]:
    """Rows by a number of SORTED_BY; those without one come last, equal ones by their names."""
    values = SORTED_BY[column](snapshot, now)[list(rows)]
    places = np.argsort(np.where(np.isnan(values), np.inf, -values if falling else values), kind="stable")
    return [rows[place] for place in places.tolist()]


def page_from(rows: Sequence[int], *, limit: int, start: int) -> tuple[Sequence[int], str | None]:
    """`limit` rows from a place on, and the token for more: an order by numbers has nothing else to go on from."""
    more = start + limit < len(rows)
    return rows[start : start + limit], _token(f"{_PLACE}{start + limit}") if more else None


def place_of(token: str | None) -> int:
    """The place that a token of `page_from` stands for; raises ValueError for any other."""
    if token is None:
        return 0
    kind, place = after_of(token)[:1], after_of(token)[1:]
    if kind != _PLACE or not place.isdecimal() or len(place) > _LONGEST_PLACE:
        raise ValueError("continue is not a token of this order")
    return int(place)


def page_of(
    snapshot: Snapshot, rows: Sequence[int], *, limit: int, after: str | None
) -> tuple[Sequence[int], str | None]:
    """`limit` rows that come after the workload `after`, and the token for more. The workload may be gone meanwhile."""
    start = 0 if after is None else _start_after(snapshot, rows, after)
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    return page, _token(snapshot.forecasts[page[-1]].key) if more else None


def _start_after(snapshot: Snapshot, rows: Sequence[int], after: str) -> int:
    namespace, _, name = after.partition("/")
    row = snapshot.rows.get((namespace, name))
    if row is not None:
        return bisect.bisect_right(rows, row)
    return bisect.bisect_right(rows, after, key=lambda other: snapshot.forecasts[other].key)


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def after_of(token: str) -> str:
    """The workload that a token stands for; raises ValueError for what was never a token."""
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("continue is not a token that this interface gave") from error


def sparkline_of(snapshot: Snapshot, row: int, points: int) -> list[Number]:
    """So many numbers for all of the history that there is, each the largest of its span."""
    values = snapshot.history[row]
    each = max(-(-values.size // max(points, 1)), 1)
    padded = np.concatenate([np.full(-values.size % each, np.nan, dtype=np.float32), values]).reshape(-1, each)
    return _numbers(np.where(np.isnan(padded), -np.inf, padded).max(axis=1, initial=-np.inf))


def workload_of(view: RowView, *, sparkline: list[Number] | None = None) -> Workload:
    """A row as REST shows it."""
    forecast, spec = view.forecast, view.forecast.spec
    pods = None if view.served is None else math.ceil(view.served / spec.capacity_per_pod - _ROUND_OFF)
    return Workload(
        namespace=forecast.namespace,
        name=forecast.name,
        target=Target(kind=spec.target_ref.kind, name=spec.target_ref.name),
        unit=spec.demand.unit,
        mode=spec.mode,
        served=view.served,
        reason=view.reason,
        acting=view.acting,
        demand=view.demand,
        required=view.required,
        capacity_per_pod=spec.capacity_per_pod,
        pods=pods,
        lead_seconds=view.lead_seconds,
        lead_origin=view.lead_origin,
        skill=view.skill,
        coverage=view.coverage,
        data_time=utc(view.data_s),
        age_seconds=view.age_seconds,
        note=view.note,
        sparkline=sparkline or [],
    )


@dataclass(frozen=True)
class Extent:
    """Which part of a row's series is wanted. horizon_seconds, levels: None: all there are. step_seconds: None: that of
    the grid; else every so many seconds, of the history the largest number of that time."""

    history_seconds: float
    horizon_seconds: float | None = None
    levels: tuple[float, ...] | None = None
    step_seconds: int | None = None


def forecast_of(snapshot: Snapshot, row: int, extent: Extent, *, now: float) -> Forecast:
    """A row's past and future."""
    view = row_view(snapshot, row, now=now)
    past = partial(_past, snapshot, extent=extent)
    return Forecast(
        namespace=view.forecast.namespace,
        name=view.forecast.name,
        unit=view.forecast.spec.demand.unit,
        cut=time_of(snapshot.cut_s),
        served=view.served,
        reason=view.reason,
        acting=view.acting,
        required=view.required,
        required_level=view.level,
        required_until=time_of(snapshot.cut_s + view.lead_seconds + snapshot.refresh_seconds),
        lead_seconds=view.lead_seconds,
        lead_origin=view.lead_origin,
        history=past(snapshot.history[row]),
        served_history=past(snapshot.past_served[row]),
        required_history=past(snapshot.past_required[row]),
        forecast=_ahead(snapshot, row, extent),
    )


def _past(snapshot: Snapshot, values: NDArray[np.float32], *, extent: Extent) -> Points:
    """The end of a series whose last number is that of the history's last column."""
    step = snapshot.history_step_seconds
    last_s = snapshot.history_start_s + (snapshot.history.shape[1] - 1) * step
    each = max((extent.step_seconds or step) // step, 1)
    kept = min(int(extent.history_seconds // step), values.size) // each * each
    tail = values[values.size - kept :].reshape(-1, each)
    largest = np.where(np.isnan(tail), -np.inf, tail).max(axis=1, initial=-np.inf)
    return Points(times=_times(last_s - kept * step + each * step, each * step, kept // each), values=_numbers(largest))


def _ahead(snapshot: Snapshot, row: int, extent: Extent) -> Ahead:
    step, steps = snapshot.horizon_step_seconds, snapshot.quantiles.shape[1]
    kept = steps if extent.horizon_seconds is None else min(int(extent.horizon_seconds // step), steps)
    each = max((extent.step_seconds or step) // step, 1)
    paths = [
        QuantilePath(level=level, values=_numbers(snapshot.quantiles[row, each - 1 : kept : each, place]))
        for place, level in enumerate(snapshot.levels)
        if extent.levels is None or level in extent.levels
    ]
    return Ahead(times=_times(snapshot.forecast_from_s + each * step, each * step, kept // each), quantiles=paths)


def _numbers(values: NDArray[np.float32]) -> list[Number]:
    # float32 carries 7 digits; more would be noise of the conversion
    return [None if not math.isfinite(value) else float(f"{value:.7g}") for value in values.tolist()]


def _times(start_s: int, step_seconds: int, steps: int) -> list[datetime]:
    return [time_of(start_s + step * step_seconds) for step in range(steps)]


def time_of(seconds: float) -> datetime:
    """Unix seconds as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def health_of(snapshot: Snapshot | None, *, now: float) -> Health:
    """How fresh the numbers are at `now`."""
    if snapshot is None:
        return Health(
            status="Starting",
            version=__version__,
            cut=None,
            cut_age_seconds=None,
            refresh_seconds=None,
            staleness_seconds=None,
            fitted=None,
            fit_age_seconds=None,
            workloads=0,
            refused=0,
            rejected_total=0,
            rejected=[],
            counters={},
        )
    age = now - snapshot.cut_s
    rejected = [Rejected(key=key, text=text) for key, text in sorted(snapshot.rejected.items())]
    return Health(
        status="Fresh" if age <= snapshot.staleness_seconds else "Stale",
        version=__version__,
        cut=time_of(snapshot.cut_s),
        cut_age_seconds=age,
        refresh_seconds=snapshot.refresh_seconds,
        staleness_seconds=snapshot.staleness_seconds,
        fitted=utc(snapshot.fitted_s),
        fit_age_seconds=number_or_none(now - snapshot.fitted_s),
        workloads=len(snapshot.forecasts),
        refused=int(len(snapshot.forecasts) - snapshot.servable(now).sum()),
        rejected_total=len(rejected),
        rejected=rejected[:REJECTED_SHOWN],
        counters={name: value for name, value in snapshot.counters.items() if math.isfinite(value)},
    )
