"""Room on nodes, pass by pass: which workloads want it, what it comes to, and how long a larger number counts."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.pipeline.outlook import Outlook
from app.pipeline.plan import Plan
from app.planning.headroom import Room, headroom, may_act, pods_for


@dataclass
class Held:
    """The largest number of the last lead time, a workload each: a node that is given up and wanted again within its
    own lead time costs more than it saves. Forgets whom it is not told about. Grows at once, falls late."""

    _recent: dict[str, deque[tuple[float, float]]] = field(default_factory=dict)

    def largest(self, numbers: Mapping[str, float], *, now_s: float, hold_seconds: Mapping[str, float]) -> list[float]:
        """Takes in what holds now and gives back what counts, in the order of `numbers`; NaN is passed over."""
        self._recent = {key: recent for key, recent in self._recent.items() if key in numbers}
        return [self._one(key, number, now_s, hold_seconds[key]) for key, number in numbers.items()]

    def _one(self, key: str, number: float, now_s: float, seconds: float) -> float:
        recent = self._recent.setdefault(key, deque())
        while recent and not now_s - seconds <= recent[0][0] <= now_s:  # too old, or of before the clock was set back
            recent.popleft()
        if np.isfinite(number):
            while recent and recent[-1][1] <= number:
                recent.pop()
            recent.append((now_s, number))
        return recent[0][1] if recent else float("nan")


class RoomPlanner:
    """Makes the Room of each pass; remembers nothing but the largest numbers of the last lead times."""

    def __init__(self) -> None:
        self._held = Held()

    def room(
        self, plan: Plan, outlook: Outlook, further_on: Outlook, *, served: NDArray[np.float64], now_s: float
    ) -> Room:
        """Room of the workloads that want it. further_on: of plan.further. served: as in Snapshot, (n,)."""
        rows = plan.node_rows
        if not rows.size:
            return Room.unwanted()
        capacity = plan.capacity_per_pod[rows]
        required = plan.as_asked(further_on.required, rows)
        demand = np.where(np.isfinite(required), np.fmax(required, served[rows]), np.nan)
        ahead = pods_for(np.minimum(demand, plan.maximum[rows]), capacity)
        keys = [plan.keys[row] for row in rows.tolist()]
        held = self._held.largest(
            dict(zip(keys, ahead.tolist(), strict=True)),
            now_s=now_s,
            hold_seconds=dict(zip(keys, plan.node_lead_seconds.tolist(), strict=True)),
        )
        return Room(
            rows=rows,
            ahead=ahead,
            headroom=headroom(
                ahead=np.asarray(held),
                asked=pods_for(served[rows], capacity),
                existing=np.asarray([float(plan.book.existing.get(key, 0)) for key in keys]),
                acting=may_act([plan.modes[row] for row in rows.tolist()], outlook.trusted[rows]),
                most=plan.node_most,
            ),
            node_lead_seconds=plan.node_lead_seconds,
            node_lead_origin=tuple(plan.book.node_lead(plan.book.forecasts[row]).origin for row in rows.tolist()),
        )
