"""The types of workloads and what their policies say, as k8s/policies ships it; a test compares the two."""

from dataclasses import dataclass
from enum import StrEnum

from app.planning.behaviour import Behaviour, Rate, Rules


class WorkloadType(StrEnum):
    """A folder of k8s/policies."""

    REGISTRY = "registry"
    STATELESS = "stateless"
    STATEFUL = "stateful"
    AGENT = "agent"
    BATCH = "batch"


@dataclass(frozen=True)
class Policy:
    """behaviour: as shipped. price: of a missing pod-minute in idle ones, where nobody says otherwise.

    removal_price: idle pod-minutes that taking one pod away is worth: sessions and tasks that it ends or holds up.
    cpu_target: share of the CPU request at which a pod is at its capacity; None: CPU says nothing.
    """

    behaviour: Behaviour
    price: float
    removal_price: float
    cpu_target: float | None


OUT = (Rate(100, 15, percent=True), Rate(4, 15))
_UP = Rules(0, OUT, 0.0)


def _in(window_seconds: int, *rates: Rate, tolerance: float = 0.0) -> Rules:
    return Rules(window_seconds, rates, tolerance)


TENTH, FIFTH, HALF = (Rate(share, 60, percent=True) for share in (10, 20, 50))
ONE = Rate(1, 60)

POLICIES: dict[WorkloadType, Policy] = {
    WorkloadType.REGISTRY: Policy(Behaviour(_UP, _in(300, FIFTH, ONE), 2, 8), 20, 0, 0.7),
    WorkloadType.STATELESS: Policy(Behaviour(_UP, _in(180, FIFTH, ONE), 2, 40), 20, 0, 0.7),
    WorkloadType.STATEFUL: Policy(Behaviour(_UP, _in(600, ONE, TENTH), 2, 10), 40, 60, 0.7),
    WorkloadType.AGENT: Policy(Behaviour(_UP, _in(300, FIFTH, ONE), 1, 20), 10, 10, 0.7),
    WorkloadType.BATCH: Policy(Behaviour(Rules(0, OUT, 0.1), _in(120, HALF, ONE, tolerance=0.1), 0, 20), 3, 0, None),
}
