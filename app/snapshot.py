"""What the pipeline hands to the doors: one whole, frozen, columnar value per cut, and the store that swaps it.

Columnar because thousands of small objects would hold the interpreter's lock for as long as they take to unpickle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.planning.draining import Drain
from app.planning.headroom import Room
from app.planning.rollup import Parts
from app.pricing.economics import Economics
from app.workloads.book import PodSizes
from app.workloads.spec import LoadForecast

QUALITY = ("reactive_cost", "forecast_cost", "reactive_short", "forecast_short", "seconds", "coverage")
"""What is known of each replayed day: costs, shortage in pod-minutes, time replayed, share of covered maxima."""


@dataclass(frozen=True)
class Voices:
    """The candidates with the largest shares in what is required, the largest first: all arrays (n, shown).

    labels: of all candidates. who: int16, place among the labels, -1 for nobody. share: of all that spoke, 0 to 1.
    said: what the candidate alone would provide for, in the unit of demand.
    """

    labels: tuple[str, ...]
    who: NDArray[np.int16]
    share: NDArray[np.float32]
    said: NDArray[np.float32]

    @classmethod
    def silent(cls, workloads: int, *, labels: tuple[str, ...] = (), shown: int = 0) -> "Voices":
        """Nobody speaks."""
        shape = (workloads, min(shown, len(labels)))
        nobody = np.full(shape, -1, dtype=np.int16)
        return cls(labels, nobody, np.zeros(shape, dtype=np.float32), np.full(shape, np.nan, dtype=np.float32))

    def tell(self, rows: NDArray[np.int64], *, shares: NDArray[np.float32], said: NDArray[np.float32]) -> None:
        """Puts in what the candidates of some rows said; shares, said: (rows, candidates)."""
        first = np.argsort(-shares, axis=1, kind="stable")[:, : self.who.shape[1]]
        share = np.take_along_axis(shares, first, axis=1)
        self.who[rows] = np.where(share > 0, first, -1)
        self.share[rows] = share
        self.said[rows] = np.take_along_axis(said, first, axis=1)


@dataclass(frozen=True)
class Sized:
    """How sizes of pods entered a served value, in the unit of demand: load, what pods of these sizes are to carry;
    asked: their number times capacityPerPod, before bounds. Both NaN where nothing is served.
    """

    load: float
    asked: float
    sizes: PodSizes


@dataclass(frozen=True)
class Snapshot:
    """All workloads at one cut. n workloads in the order of `forecasts`; every array has n rows.

    cut_s: Unix seconds; served values know nothing later. data_s: time of the newest sample of each workload
    (NaN: none). served: value in the unit of demand (NaN: refused, `reason` says why). demand: newest measured value.
    reason: the typed reason of what is served or refused, one of Reason. acting: True where the forecast (not the
    reactive value) is served. required: the quantile of the maximum over [cut, cut + lead + refresh].
    history_*: recent history, float32 (n, steps). quantiles: float32 (n, horizon, levels), column h at
    forecast_from_s + (h + 1) * horizon_step_seconds. coverage, skill, reactive_cost, forecast_cost: see
    planning/replay.py; NaN: unknown. lead_seconds: what was planned with. counters: totals since the pipeline started.
    calendar: what known events multiply the window's demand by. voices: who had how much say in `required`.
    quality: float32 (n, QUALITY, days), the last day ending at judged_s (n,).
    past_served, past_required: float32 (n, steps), what was served and required last during each column of the
    history's grid, the last one being the history's last; NaN: nothing, or before this process began.
    past_quantiles: float32 (n, fewer steps, levels), what was forecast for a column a lead time before it.
    """

    cut_s: int
    refresh_seconds: int
    staleness_seconds: float
    forecasts: tuple[LoadForecast, ...]
    served: NDArray[np.float64]
    demand: NDArray[np.float64]
    required: NDArray[np.float64]
    data_s: NDArray[np.float64]
    acting: NDArray[np.bool_]
    reason: tuple[str, ...]
    lead_seconds: NDArray[np.int64]
    lead_origin: tuple[str, ...]
    level: NDArray[np.float64]
    coverage: NDArray[np.float64]
    skill: NDArray[np.float64]
    reactive_cost: NDArray[np.float64]
    forecast_cost: NDArray[np.float64]
    history_start_s: int
    history_step_seconds: int
    history: NDArray[np.float32]
    horizon_step_seconds: int
    levels: tuple[float, ...]
    quantiles: NDArray[np.float32]
    calendar: NDArray[np.float64]
    judged_s: NDArray[np.float64]
    voices: Voices
    quality: NDArray[np.float32]
    past_served: NDArray[np.float32]
    past_required: NDArray[np.float32]
    past_quantiles: NDArray[np.float32]
    fitted_s: float = float("nan")  # cut of the fit that was used; NaN: none yet
    sized: Mapping[str, Sized] = field(
        default_factory=dict
    )  # key -> of those with capacityScaling whose pods are known
    drains: Mapping[str, Drain] = field(default_factory=dict)  # key -> pods and sessions, where spec.drain asks for it
    parts: Mapping[str, Parts] = field(default_factory=dict)  # key -> shares of the whole, where spec.parts asks for it
    notes: Mapping[str, str] = field(default_factory=dict)  # key -> last trouble of this workload, shortened
    rejected: Mapping[str, str] = field(default_factory=dict)  # key -> why the LoadForecast cannot be used
    counters: Mapping[str, float] = field(default_factory=dict)
    economics: Economics | None = None  # None: of a snapshot that was not made to be served
    settled: bool = True  # the fits that the cut needs were there; else older ones, or none, stood in
    trace: Mapping[str, str] = field(default_factory=dict)  # of the pass that made it; empty: not traced
    room: Room = field(default_factory=Room.unwanted)  # on nodes, for pods to come

    @cached_property
    def rows(self) -> Mapping[tuple[str, str], int]:
        """(namespace, name) -> row."""
        return {(forecast.namespace, forecast.name): row for row, forecast in enumerate(self.forecasts)}

    @property
    def forecast_from_s(self) -> int:
        """The history's last column, less than a step before the cut: from it the quantiles count their steps."""
        return self.cut_s // self.horizon_step_seconds * self.horizon_step_seconds

    def ahead_s(self, steps: int) -> NDArray[np.int64]:
        """Times of the first columns of `quantiles`, all after the cut."""
        times_s: NDArray[np.int64] = self.forecast_from_s + self.horizon_step_seconds * np.arange(1, steps + 1)
        return times_s

    def column_ahead(self, seconds: int) -> int | None:
        """The column of `quantiles` that is nearest to so long after the cut; None where the path is too short."""
        step, columns = self.horizon_step_seconds, int(self.quantiles.shape[1])
        if not 1 <= seconds // step <= columns:
            return None
        return min(round((self.cut_s - self.forecast_from_s + seconds) / step), columns) - 1

    def age_seconds(self, row: int, now: float) -> float:
        """Age of the newest sample behind a row; NaN if there is none."""
        return now - float(self.data_s[row])

    def refusal(self, row: int, now: float) -> str | None:
        """Why the row's value must not be served at `now`, or None. No number is not zero."""
        if not np.isfinite(self.served[row]) or self.served[row] < 0:
            return self.reason[row]
        if not self.age_seconds(row, now) <= self.staleness_seconds:
            return "Stale"
        return None

    def servable(self, now: float) -> NDArray[np.bool_]:
        """Where `refusal` has nothing against serving, for all rows at once."""
        fresh = now - self.data_s <= self.staleness_seconds  # False where there is no sample at all
        return np.isfinite(self.served) & (self.served >= 0) & fresh


@dataclass(frozen=True)
class Said:
    """One candidate's part in what is required. value: None: it had nothing to offer."""

    candidate: str
    share: float
    value: float | None


@dataclass(frozen=True)
class RowView:
    """One workload at one time as plain values, for doors that show it. None wherever there is no number.

    price: a missing pod-minute in idle ones, as planned with; measured_price: by what the pools cost now.
    served: None when refused; `reason` then is the refusal's. acting: the forecast is what is served. note: last
    trouble of this workload, empty if none. pods_ahead, headroom, node_lead_seconds: None too where no room on nodes is
    wanted. Everything else as in Snapshot.
    """

    forecast: LoadForecast
    served: float | None
    reason: str
    acting: bool
    demand: float | None
    required: float | None
    data_s: float | None
    age_seconds: float | None
    lead_seconds: int
    lead_origin: str
    level: float | None
    coverage: float | None
    skill: float | None
    reactive_cost: float | None
    forecast_cost: float | None
    calendar: float | None
    voices: tuple[Said, ...]
    note: str
    price: float = float("nan")
    measured_price: float | None = None
    sized: Sized | None = None
    pods_ahead: float | None = None
    headroom: float | None = None
    node_lead_seconds: int | None = None


def row_view(snapshot: Snapshot, row: int, *, now: float) -> RowView:
    """What may be shown of a row at `now` (Unix seconds)."""
    refusal = snapshot.refusal(row, now)
    forecast, economics = snapshot.forecasts[row], snapshot.economics
    room, place = snapshot.room, snapshot.room.place(row)
    return RowView(
        forecast=forecast,
        served=float(snapshot.served[row]) if refusal is None else None,
        reason=str(snapshot.reason[row] if refusal is None else refusal),
        acting=bool(snapshot.acting[row]) and refusal is None,
        demand=number_or_none(snapshot.demand[row]),
        required=number_or_none(snapshot.required[row]),
        data_s=number_or_none(snapshot.data_s[row]),
        age_seconds=number_or_none(snapshot.age_seconds(row, now)),
        lead_seconds=int(snapshot.lead_seconds[row]),
        lead_origin=snapshot.lead_origin[row],
        level=number_or_none(snapshot.level[row]),
        coverage=number_or_none(snapshot.coverage[row]),
        skill=number_or_none(snapshot.skill[row]),
        reactive_cost=number_or_none(snapshot.reactive_cost[row]),
        forecast_cost=number_or_none(snapshot.forecast_cost[row]),
        calendar=number_or_none(snapshot.calendar[row]),
        voices=_said(snapshot.voices, row),
        note=snapshot.notes.get(forecast.key, ""),
        price=forecast.spec.price if economics is None else float(economics.price[row]),
        measured_price=None if economics is None else number_or_none(economics.measured_price[row]),
        sized=snapshot.sized.get(forecast.key),
        pods_ahead=None if place is None else number_or_none(room.ahead[place]),
        headroom=None if place is None else number_or_none(room.headroom[place]),
        node_lead_seconds=None if place is None else int(room.node_lead_seconds[place]),
    )


def _said(voices: Voices, row: int) -> tuple[Said, ...]:
    heard = zip(voices.who[row].tolist(), voices.share[row].tolist(), voices.said[row], strict=True)
    return tuple(
        Said(voices.labels[who], round(share, 6), number_or_none(float(f"{value:.7g}")))
        for who, share, value in heard
        if who >= 0
    )


def number_or_none(value: float | np.floating) -> float | None:
    """A finite number as Python's float; None for NaN and infinities, which JSON cannot say."""
    return float(value) if np.isfinite(value) else None


class SnapshotStore:
    """The latest snapshot. One writer replaces it whole; readers take one reference and keep to it."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._latest = snapshot

    @property
    def latest(self) -> Snapshot | None:
        """The newest snapshot, None before the first."""
        return self._latest

    def replace(self, snapshot: Snapshot) -> None:
        """Swaps atomically (one reference)."""
        self._latest = snapshot
