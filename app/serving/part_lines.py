"""The lines of /metrics that are about parts of a workload: of its demand by label, of its pods by deletion cost."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.serving.parting import MEDIAN, scraped_parts
from app.snapshot import Snapshot
from app.telemetry import DRAIN_PODS, PART_AHEAD, PART_DEMAND, Metric

DRAIN_STATES = ("right", "due", "foreign", "unknown")

Gauge = Callable[[Metric, Sequence[str], NDArray[np.float64]], str]
Escaped = Callable[[str], str]


def part_lines(
    snapshot: Snapshot, labels: Sequence[str], *, horizons: Mapping[str, int], gauge: Gauge, escaped: Escaped
) -> str:
    """Each part's demand, and its share of the median at the fixed horizons (name -> seconds) that the path reaches.

    labels: `{namespace="a",name="b"` of each workload. No line at all where no workload has parts.
    """
    if not snapshot.parts:
        return ""
    columns = {horizon: snapshot.column_ahead(seconds) for horizon, seconds in horizons.items()}
    reached = {horizon: column for horizon, column in columns.items() if column is not None}
    now: dict[str, float] = {}
    ahead: dict[str, float] = {}
    for row, part in scraped_parts(snapshot, columns=np.asarray(list(reached.values()), dtype=np.int64)):
        label = labels[row] + "".join(f',{name}="{escaped(value)}"' for name, value in part.labels.items())
        now[label] = part.now
        for place, horizon in enumerate(reached if MEDIAN in snapshot.levels else ()):
            ahead[f'{label},horizon="{horizon}"'] = float(part.ahead[place, snapshot.levels.index(MEDIAN)])
    return "".join(
        gauge(metric, list(of), np.asarray(list(of.values())))
        for metric, of in ((PART_DEMAND, now), (PART_AHEAD, ahead))
    )


def drain_lines(snapshot: Snapshot, labels: Sequence[str], *, gauge: Gauge) -> str:
    """Pods of each workload that is drained, by what becomes of their deletion cost."""
    if not snapshot.drains:
        return ""
    found: dict[str, float] = {}
    for key, drain in snapshot.drains.items():
        namespace, _, name = key.partition("/")
        row = snapshot.rows.get((namespace, name))
        counts = Counter(_state(foreign=one.pod.foreign, known=one.cost is not None, due=one.due) for one in drain.pods)
        if row is not None:
            found |= {f'{labels[row]},state="{state}"': float(counts[state]) for state in DRAIN_STATES}
    return gauge(DRAIN_PODS, list(found), np.asarray(list(found.values())))


def _state(*, foreign: bool, known: bool, due: bool) -> str:
    if foreign:
        return "foreign"
    if not known:
        return "unknown"
    return "due" if due else "right"
