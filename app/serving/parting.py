"""Parts of a workload's demand as series: what /metrics and Grafana's doors show of them. Labels are part_<label>."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.snapshot import Snapshot

MEDIAN = 0.5
_MOST_PARTS = 2_000  # that are scraped, over all workloads


@dataclass(frozen=True)
class PartLines:
    """One part of a workload. now: measured at at_s, stands for reach_seconds. ahead: float64 (horizon, levels), whose
    sums over the parts are the workload's quantiles."""

    labels: Mapping[str, str]
    at_s: int
    reach_seconds: int
    now: float
    ahead: NDArray[np.float64]


def parts_of(snapshot: Snapshot, row: int, *, columns: NDArray[np.int64] | None = None) -> Iterator[PartLines]:
    """All parts of a workload that are known; columns: of the horizon, default: all."""
    parts = snapshot.parts.get(snapshot.forecasts[row].key)
    if parts is None or not parts.names:
        return
    chosen = np.arange(snapshot.quantiles.shape[1]) if columns is None else columns
    times_s = snapshot.ahead_s(snapshot.quantiles.shape[1])[chosen]
    bands = snapshot.quantiles[row, chosen].astype(np.float64)
    levels = [parts.split(bands[:, place], times_s) for place in range(len(snapshot.levels))]
    ahead = np.stack(levels, axis=2)
    reach_seconds = parts.step_seconds + math.ceil(snapshot.staleness_seconds)
    for place, name in enumerate(parts.names):
        labels = {f"part_{label}": value for label, value in zip(parts.labels, name, strict=True)}
        yield PartLines(labels, parts.at_s, reach_seconds, float(parts.now[place]), ahead[place])


def scraped_parts(snapshot: Snapshot, *, columns: NDArray[np.int64]) -> Iterator[tuple[int, PartLines]]:
    """(row, part) of the workloads in their order, as long as all parts of a workload fit into the limit."""
    room = _MOST_PARTS
    for key in snapshot.parts:
        namespace, _, name = key.partition("/")
        row = snapshot.rows.get((namespace, name))
        count = len(snapshot.parts[key].names)
        if row is not None and count <= room:
            room -= count
            for part in parts_of(snapshot, row, columns=columns):
                yield row, part
