"""How long a pod needs from being created to being Ready, learned from the pods of each target.

Arithmetic only; watching is in pods.py.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from app.workloads.book import LeadTime
from app.workloads.nodes import NodeLead
from app.workloads.spec import Lead

KEPT_STARTS = 20
LIMIT_SECONDS = 3600.0  # the largest lead a LoadForecast may have; what took longer waited for something else
_QUANTILE = 0.9  # a pod that comes late is missed; one that comes early costs its idle seconds
_STEP_SECONDS = 5
_LOWER_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Start:
    """One pod's way to its first readiness: Unix seconds at which it was Ready, how long it took, and how much of that
    it was without a node."""

    ready_s: float
    seconds: float
    placing_seconds: float = 0.0

    @property
    def placed(self) -> "Start":
        """From its node on: what counts where room on nodes is provided before pods ask for it."""
        return Start(self.ready_s, self.seconds - self.placing_seconds)


def lead_of(starts: Iterable[Start], spec: Lead | NodeLead) -> LeadTime:
    """The 90 % quantile of the newest starts, rounded up to 5 s, not below the floor; without starts the fallback.

    With fewer than ten starts the quantile is the longest of them: the careful side.
    """
    newest = sorted(starts, key=lambda start: start.ready_s)[-KEPT_STARTS:]
    if not newest:
        return LeadTime(spec.fallback_seconds, "Fallback")
    ordered = sorted(start.seconds for start in newest)
    quantile = ordered[math.ceil(_QUANTILE * len(ordered)) - 1]
    rounded = math.ceil(min(quantile, LIMIT_SECONDS) / _STEP_SECONDS) * _STEP_SECONDS
    if rounded <= spec.floor_seconds:
        return LeadTime(spec.floor_seconds, "Floor", len(newest))
    return LeadTime(rounded, "Measured", len(newest))


def settled_lead(current: LeadTime | None, measured: LeadTime, spec: Lead | NodeLead) -> LeadTime:
    """What the status should say: `current`, unless `measured` differs enough.

    Longer counts from 5 s and 10 % on, shorter from 10 s and 10 % on, so a quantile on the edge of a step does not
    flap. A replica that has seen no start yet keeps what was measured before it.
    """
    if current is None or current.origin == "Fallback":
        return measured
    if measured.origin == "Fallback":
        return LeadTime(max(current.seconds, spec.floor_seconds), current.origin, current.samples)
    if current.seconds < spec.floor_seconds:
        return measured
    change = measured.seconds - current.seconds
    least = max(_STEP_SECONDS if change > 0 else _LOWER_SECONDS, 0.1 * current.seconds)
    return measured if abs(change) >= least else current
