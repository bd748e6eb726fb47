"""Which pods of a workload may go first, and which of their deletion costs are worth a write.

A pod's deletion cost is what it would take with it, its sessions as a rule. Kubernetes asks not to write it with every
change of a number: each write is an update of a pod. So a cost is written when it has become wrong by a quarter, or
when the first session came or the last one went; costs that are too low go first, since those pods are in danger.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.workloads.book import PodCost

MATERIAL_SHARE = 0.25
LARGEST_COST = 2**31 - 1  # an int32


@dataclass(frozen=True)
class DrainPod:
    """One pod. sessions: what was counted on it, None where nothing is known. cost: what it should cost, None where it
    is left alone: nothing known, or written by somebody else."""

    pod: PodCost
    sessions: float | None

    @property
    def cost(self) -> int | None:
        """Rounded up: a pod with any session is worth more than one without."""
        if self.sessions is None or self.pod.foreign:
            return None
        return min(-int(-self.sessions // 1), LARGEST_COST)

    @property
    def due(self) -> bool:
        """Whether the cost that stands there is wrong enough to be written again."""
        if self.cost is None:
            return False
        held = self.pod.written or 0
        if (held == 0) != (self.cost == 0):
            return True
        return abs(self.cost - held) >= max(1, MATERIAL_SHARE * max(self.cost, held))


@dataclass(frozen=True)
class Drain:
    """The pods of one workload, in the order in which costs let them go; note: why nothing is known, empty if it is."""

    pods: tuple[DrainPod, ...] = ()
    note: str = ""


def drain_of(pods: Iterable[PodCost], sessions: Mapping[str, float], *, note: str = "") -> Drain:
    """Joins pods with what was counted on them; sessions: by the pod's name, no number for what is not >= 0.

    A pod without a number keeps the cost it has. One that never had a series never had a session, and goes first; one
    whose scrapes stopped keeps what was last known.
    """
    joined = (DrainPod(pod, _counted(sessions.get(pod.name))) for pod in pods)
    return Drain(tuple(sorted(joined, key=_order)), note)


def due_first(drain: Drain) -> tuple[DrainPod, ...]:
    """The pods whose costs are to be written, the most urgent first."""
    return tuple(sorted((one for one in drain.pods if one.due), key=_urgency))


def _counted(value: float | None) -> float | None:
    return value if value is not None and 0 <= value < float("inf") else None


def _order(one: DrainPod) -> tuple[int, str]:
    known = one.cost if one.cost is not None else one.pod.written
    return known or 0, one.pod.name


def _urgency(one: DrainPod) -> tuple[bool, float, str]:
    cost, held = one.cost or 0, one.pod.written or 0
    return cost < held, -abs(cost - held) / max(cost, held, 1), one.pod.name
