"""All of it: a history in, settings with their evidence out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.tuning.bounds import lead, least_pods, most_pods, price
from app.tuning.measured import Confidence, Finding, Measured
from app.tuning.relation import latency_capacity, utilisation_capacity
from app.tuning.search import FIRST_PART, Found, Load, Terms, floors, search
from app.tuning.types import POLICIES, Policy, WorkloadType

SEED = 1  # of the resampling: the same history has the same answer

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wishes:
    """What the user says. kind: default stateless. promised_latency_s: at the quantile that the latency's history has.
    lead_seconds: where no start-ups were measured. removal_price: idle pod-minutes that one pod's removal is worth;
    default the type's. fallback_capacity: where the history does not tell one. time_zone: IANA name of the clock that
    the load follows."""

    kind: WorkloadType | None
    promised_latency_s: float | None = None
    capacity_per_pod: float | None = None
    lead_seconds: int = 120
    price: float | None = None
    removal_price: float | None = None
    fallback_capacity: float | None = None
    time_zone: str = "UTC"

    @property
    def policy(self) -> Policy:
        """Of the type."""
        return POLICIES[self.type]

    @property
    def type(self) -> WorkloadType:
        """The kind, or the default."""
        return self.kind or WorkloadType.STATELESS


@dataclass(frozen=True)
class Sizing:
    """What is known before the load is replayed. capacities: found by latency, by CPU, as far as they were measured;
    capacity: the smallest of those that were not refused, or what the user says."""

    capacity: Finding
    capacities: tuple[Finding, ...]
    lead: Finding

    @property
    def lead_minutes(self) -> int:
        """Whole minutes, at least one."""
        return max(int(np.ceil((self.lead.value or 60) / 60)), 1)


@dataclass(frozen=True)
class Proposal:
    """findings: of capacityPerPod, leadSeconds, minReplicas, maxReplicas, missingPodPrice. found: of the behaviour.

    forecast: whether the replay was on the forecast's numbers. rest_days: of the part that judged.
    """

    name: str
    kind: WorkloadType
    days: float
    findings: tuple[Finding, ...]
    refused: tuple[Finding, ...]
    found: Found
    forecast: bool
    rest_days: float

    def value(self, setting: str) -> float:
        """Of a finding that has one."""
        (found,) = (one.value for one in self.findings if one.setting == setting)
        assert found is not None
        return found


def size(measured: Measured, wishes: Wishes) -> Sizing:
    """The load that one pod carries well, and how long it takes to start."""
    rng = np.random.default_rng(SEED)
    each, found = measured.load_per_pod(), []
    if measured.latency_s is not None:
        found.append(latency_capacity(each, measured.latency_s, promised_s=wishes.promised_latency_s, rng=rng))
    goal = wishes.policy.cpu_target
    if measured.utilisation is not None and goal is not None:
        found.append(utilisation_capacity(each, measured.utilisation, goal=goal, rng=rng))
    return Sizing(_capacity(found, wishes), tuple(found), lead(measured.startups_s, otherwise_s=wishes.lead_seconds))


def propose(measured: Measured, sizing: Sizing, wishes: Wishes, *, served: _Floats | None = None) -> Proposal:
    """The HPA's settings. served: of the forecast, in the unit of demand; NaN where it had nothing to say yet.

    The sizing needs a capacity. What was served in the first days is left away, a day at least.
    """
    policy = wishes.policy
    assert sizing.capacity.value is not None
    load = _load(measured, sizing.capacity.value, served)
    worth = price(load, given=wishes.price, of_type=policy.price)
    removal = policy.removal_price if wishes.removal_price is None else wishes.removal_price
    terms = Terms(sizing.lead_minutes, worth.value or policy.price, removal)
    found = search(load, policy, terms)
    least = least_pods(
        floors(load, found.chosen, terms, least=policy.behaviour.min_pods), floor=policy.behaviour.min_pods
    )
    spare = max(found.chosen.rest.pod_minutes / max(float(load.needed[_cut(load) :].sum()), 1e-9), 1.0)
    most = most_pods(measured, sizing.capacity.value, spare=min(spare, 2.0))
    return Proposal(
        name=measured.name,
        kind=wishes.type,
        days=measured.days,
        findings=(sizing.capacity, sizing.lead, least, most, worth),
        refused=tuple(one for one in sizing.capacities if one.value is None),
        found=found,
        forecast=served is not None,
        rest_days=(load.needed.size - _cut(load)) / 1_440,
    )


def _capacity(found: list[Finding], wishes: Wishes) -> Finding:
    """The smallest of those that were found, since both latency and CPU have to hold."""
    usable = [one for one in found if one.value is not None]
    if wishes.capacity_per_pod is not None:
        beside = "; ".join(f"measured: {one.value:.4g}" for one in usable)
        told = f"yours{f' ({beside})' if beside else ''}"
        return Finding("capacityPerPod", wishes.capacity_per_pod, Confidence.ASSUMED, told)
    if usable:
        return min(usable, key=lambda one: one.value or np.inf)
    why = "; ".join(one.evidence for one in found) or "neither latency nor CPU is in the history"
    if wishes.fallback_capacity is not None:
        return Finding("capacityPerPod", wishes.fallback_capacity, Confidence.ASSUMED, f"the LoadForecast's; {why}")
    return Finding("capacityPerPod", None, Confidence.REFUSED, why)


def _cut(load: Load) -> int:
    return int(load.needed.size * FIRST_PART)


def _load(measured: Measured, capacity: float, served: _Floats | None) -> Load:
    first = 1 if served is None else max(int(np.argmax(np.isfinite(served))), min(1_440, measured.demand.size // 2))
    needed = measured.demand / capacity
    return Load(
        needed=needed[first:],
        known=needed[first - 1 : -1],
        served=None if served is None else served[first:] / capacity,
        today=None if measured.pods is None else measured.pods[first:],
    )
