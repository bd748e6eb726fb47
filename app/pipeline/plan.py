"""The LoadForecasts of a book as columns: what every step of a pass needs, computed once per book."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.pipeline.fits import Signature
from app.pipeline.matching import measured_by
from app.planning.sizing import SizeColumns, served_for
from app.workloads.book import Book, LeadTime
from app.workloads.calendar import Calendar
from app.workloads.spec import Costs, LoadForecast, LoadForecastSpec, Objective
from models.experts.registry import roster_for, rosters

FURTHER = "@nodes"  # no LoadForecast has such a name
Number = TypeVar("Number", np.int64, np.float64)


def measured_as(key: str) -> str:
    """The workload whose demand is behind a key, also behind one of the further plan."""
    return key.removesuffix(FURTHER)


@dataclass(frozen=True)
class Plan:
    """A book on a time grid. Arrays have one entry a workload, in the order of book.forecasts.

    fixed_roster: of experts; default: the one that this many workloads can afford.
    """

    book: Book
    step_seconds: int
    refresh_seconds: int
    careful_workloads: int
    fixed_roster: str | None = None

    @cached_property
    def roster(self) -> str:
        """Name of the roster of experts."""
        return self.fixed_roster or roster_for(len(self.keys), careful_workloads=self.careful_workloads)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Of the roster's candidates."""
        return rosters()[self.roster].labels

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """`namespace/name` of each workload."""
        return tuple(one.key for one in self.book.forecasts)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """key -> position."""
        return {key: position for position, key in enumerate(self.keys)}

    @cached_property
    def lead_seconds(self) -> NDArray[np.int64]:
        """What a new pod needs."""
        return np.asarray([self.book.lead(one).seconds for one in self.book.forecasts], dtype=np.int64)

    @cached_property
    def lead_steps(self) -> NDArray[np.int64]:
        """The same in columns, rounded up."""
        return -(-self.lead_seconds // self.step_seconds)

    @cached_property
    def window_steps(self) -> NDArray[np.int64]:
        """Columns that reach from the last one to cut + lead + refresh: the last lies up to a step before the cut."""
        ahead_seconds = self.lead_seconds + max(self.step_seconds, self.refresh_seconds)
        return -(-ahead_seconds // self.step_seconds)

    @cached_property
    def hold_steps(self) -> NDArray[np.int64]:
        """Whole columns for which the HPA keeps a larger recommendation."""
        seconds = [one.spec.scale_down_stabilization_seconds for one in self.book.forecasts]
        return np.asarray(seconds, dtype=np.int64) // self.step_seconds

    @cached_property
    def level(self) -> NDArray[np.float64]:
        """The newsvendor's quantile."""
        return self.price / (self.price + 1)

    @cached_property
    def price(self) -> NDArray[np.float64]:
        """A missing pod-minute in idle ones."""
        return np.asarray([self.book.price(one) for one in self.book.forecasts], dtype=np.float64)

    @cached_property
    def capacity_per_pod(self) -> NDArray[np.float64]:
        """Demand that one pod serves."""
        return self._column(lambda spec: spec.capacity_per_pod)

    @cached_property
    def sizes(self) -> SizeColumns | None:
        """What their pods carry; None where no workload has capacityScaling."""
        known = [
            None if one.spec.capacity_scaling is None else self.book.sizes.get(one.key) for one in self.book.forecasts
        ]
        return SizeColumns.of(known) if any(known) else None

    def as_asked(self, load: NDArray[np.float64], rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """A load, (n,) or (n, steps), of all workloads or of `rows`, as what is served for it at the sizes of now."""
        if self.sizes is None:
            return load
        capacity, sizes = self.capacity_per_pod, self.sizes
        if rows is not None:
            capacity, sizes = capacity[rows], sizes.at(rows)
        return served_for(load, capacity_per_pod=capacity, sizes=sizes)

    @cached_property
    def minimum(self) -> NDArray[np.float64]:
        """Least served value."""
        return self._column(lambda spec: spec.bounds.minimum)

    @cached_property
    def maximum(self) -> NDArray[np.float64]:
        """Largest served value, infinite where there is none."""
        return self._column(lambda spec: np.inf if spec.bounds.maximum is None else spec.bounds.maximum)

    @cached_property
    def node_rows(self) -> NDArray[np.int64]:
        """Places of the workloads that want room on nodes; the columns node_* have an entry for each of these."""
        wanted = [one.spec.nodes.provisioning != "None" for one in self.book.forecasts]
        return np.flatnonzero(wanted).astype(np.int64)

    @cached_property
    def node_lead_seconds(self) -> NDArray[np.int64]:
        """What a new node needs."""
        wanting = (self.book.forecasts[row] for row in self.node_rows.tolist())
        return np.asarray([self.book.node_lead(one).seconds for one in wanting], dtype=np.int64)

    @cached_property
    def further(self) -> "Plan":
        """The workloads that want room on nodes once more, as if a pod needed a new node besides: a node that is asked
        for now serves from then on. Their level is that of spec.nodes, their keys end in FURTHER."""
        wanting = [self.book.forecasts[row] for row in self.node_rows.tolist()]
        seconds = (self.lead_seconds[self.node_rows] + self.node_lead_seconds).tolist()
        forecasts = tuple(_further(one) for one in wanting)
        leads = {one.key: LeadTime(lead, "Measured") for one, lead in zip(forecasts, seconds, strict=True)}
        return Plan(
            Book(forecasts=forecasts, leads=leads),
            self.step_seconds,
            self.refresh_seconds,
            self.careful_workloads,
            self.roster,
        )

    def gathered(self, keys: Sequence[str], column: Callable[["Plan"], NDArray[Number]]) -> NDArray[Number]:
        """A column's entries of these keys, of which some may be those of the further plan."""
        here, there = column(self), column(self.further)
        return np.asarray(
            [here[self.index[key]] if key in self.index else there[self.further.index[key]] for key in keys]
        )

    def forecast(self, key: str) -> LoadForecast:
        """Of a key of this or of the further plan."""
        plan = self if key in self.index else self.further
        return plan.book.forecasts[plan.index[key]]

    def zone(self, key: str) -> str:
        """IANA name of the clock that the load of a key follows."""
        return self.forecast(key).spec.time_zone

    def measures(self, key: str, *, like: "Plan | None") -> bool:
        """Whether a workload of an earlier plan is still there, and its numbers are of the same series."""
        if like is None or key not in self.index:
            return False
        return measured_by(self.forecast(key)) == measured_by(like.forecast(key))

    @cached_property
    def node_most(self) -> NDArray[np.float64]:
        """Pods that room is held for at most."""
        return self._column(lambda spec: spec.nodes.max_headroom)[self.node_rows]

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """Auto, Shadow or Active."""
        return tuple(one.spec.mode for one in self.book.forecasts)

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        """What a fit of each workload depends on, beside its window's end."""
        return {one.key: self._signature(position) for position, one in enumerate(self.book.forecasts)}

    def _signature(self, position: int) -> Signature:
        spec = self.book.forecasts[position].spec
        demand = measured_by(self.book.forecasts[position])
        steps = tuple(int(one[position]) for one in (self.window_steps, self.lead_steps, self.hold_steps))
        known = () if spec.calendar == Calendar() else (spec.calendar.model_dump_json(),)
        return (demand, spec.capacity_per_pod, float(self.price[position]), *steps, self.roster, spec.time_zone, *known)

    def _column(self, read: Callable[[LoadForecastSpec], float]) -> NDArray[np.float64]:
        return np.asarray([read(one.spec) for one in self.book.forecasts], dtype=np.float64)


def _further(forecast: LoadForecast) -> LoadForecast:
    level = forecast.spec.nodes.level
    asked = {"objective": Objective(missing_pod_price=level / (1 - level)), "costs": Costs()}
    spec = forecast.spec.model_copy(update=asked)
    return forecast.model_copy(update={"name": f"{forecast.name}{FURTHER}", "spec": spec})
