"""The book of all LoadForecasts that the pipeline works on at one time, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.workloads.spec import LoadForecast


@dataclass(frozen=True)
class LeadTime:
    """How long a pod of a workload needs to become Ready. All replicas use the value in status, so they agree."""

    seconds: int
    origin: str  # Measured | Floor | Fallback
    samples: int = 0


@dataclass(frozen=True)
class PodSizes:
    """What a target's pods carry, in pods of spec.capacityScaling's reference size: `pods` of them `carry` together;
    `newest`: the one created last, and those to come; `largest`: one of them.
    """

    pods: int
    carry: float
    newest: float
    largest: float

    @property
    def alike(self) -> bool:
        """Whether all have one size; how many there are does not matter then."""
        return self.newest == self.largest and round(self.pods * self.newest - self.carry, 3) == 0


@dataclass(frozen=True)
class Recorded:
    """What kube-apiserver holds of a LoadForecast besides its spec: which object it is, and its status as written."""

    uid: str
    generation: int
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PodCost:
    """A pod and the deletion cost that stands on it (None: none); foreign: somebody else wrote it."""

    name: str
    uid: str
    written: int | None = None
    foreign: bool = False


@dataclass(frozen=True)
class Book:
    """Valid LoadForecasts in the order of their keys, their lead times, and why others were rejected.

    prices: key -> a missing pod-minute in idle ones by spec.costs and a pool's price, where it is known.
    leads: key -> LeadTime; a missing key means spec.lead.fallbackSeconds. pods: key -> Ready pods now, if known.
    sizes: key -> PodSizes, of those with spec.capacityScaling; a missing key means that sizes are not known.
    drains: key -> its pods with their deletion costs, of LoadForecasts with spec.drain.
    rejected: key -> text that says what to change. `forecasts` stays the same object while no LoadForecast changes.
    existing: key -> pods that are there, those without a node included. node_leads: as `leads`, of nodes.
    For the status writer alone: `measured` and `node_measured`, key -> what this replica measured, and `recorded`, of
    rejected ones too.
    """

    forecasts: tuple[LoadForecast, ...] = ()
    leads: Mapping[str, LeadTime] = field(default_factory=dict)
    pods: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, PodSizes] = field(default_factory=dict)
    drains: Mapping[str, tuple[PodCost, ...]] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, LeadTime] = field(default_factory=dict)
    recorded: Mapping[str, Recorded] = field(default_factory=dict)
    existing: Mapping[str, int] = field(default_factory=dict)
    node_leads: Mapping[str, LeadTime] = field(default_factory=dict)
    node_measured: Mapping[str, LeadTime] = field(default_factory=dict)

    def lead(self, forecast: LoadForecast) -> LeadTime:
        """The lead time to plan with."""
        return self.leads.get(forecast.key) or LeadTime(forecast.spec.lead.fallback_seconds, "Fallback")

    def price(self, forecast: LoadForecast) -> float:
        """A missing pod-minute in idle ones, to plan with."""
        return self.prices.get(forecast.key) or forecast.spec.price

    def node_lead(self, forecast: LoadForecast) -> LeadTime:
        """The lead time of nodes to plan with."""
        return self.node_leads.get(forecast.key) or LeadTime(forecast.spec.nodes.lead.fallback_seconds, "Fallback")


class BookKeeper(Protocol):
    """Gives the current book; never blocks on the network (a watch in the background keeps it up to date)."""

    def current(self) -> Book:
        """The book as of now."""

    def ready(self) -> bool:
        """False until the first complete list is there."""

    def close(self) -> None:
        """Ends the background work."""
