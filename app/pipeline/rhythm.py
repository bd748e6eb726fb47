"""Whether workers on a queue had work at this time of earlier days, read off the panel.

The window looked at begins now. It ends when a pod that is asked for now would be up; or, while the last work lies less
than the hold time back, lead + hold after it: of two batches closer together than that the pod is kept in between.
"""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from app.pipeline.events import events_of
from app.pipeline.history import HistoryPanel
from app.pipeline.plan import Plan
from app.planning.arrivals import LOOKED_AT_DAYS, Rhythm
from models.local_time import local_offsets_seconds

_DAY_SECONDS = 86_400
_KNOWN_SHARE = 0.5  # of the columns of an earlier day's window, for it to say that there was no work

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


def rhythm_of(plan: Plan, panel: HistoryPanel, *, complete: Collection[str], cut_s: int) -> Rhythm:
    """What the panel and the calendars know of the workloads that may be scaled to zero; cut_s in Unix seconds.

    complete: keys whose whole past has been read; of others nothing is known.
    """
    rows = [
        row
        for row, one in enumerate(plan.book.forecasts)
        if one.spec.scale_to_zero is not None and one.spec.mode != "Shadow"
    ]
    found = Rhythm.none(len(plan.keys))
    if not rows:
        return found
    until_s = _until_s(plan, panel, rows, cut_s)
    for zone, places in _by_zone(plan, rows):
        chosen = [rows[place] for place in places]
        keys = [plan.keys[row] for row in chosen]
        found.worked[chosen] = _worked(panel, keys, until_s[places], cut_s=cut_s, zone=zone)
    found.worked[[row for row in rows if plan.keys[row] not in complete]] = np.nan
    for row, end_s in zip(rows, until_s.tolist(), strict=True):
        found.planned[row] = bool(events_of(plan.book.forecasts[row], from_s=cut_s, to_s=end_s + 1))
        found.applies[row] = True
    return found


def _until_s(plan: Plan, panel: HistoryPanel, rows: Sequence[int], cut_s: int) -> _Ints:
    """End of each row's window, Unix seconds."""
    lead_s = plan.lead_seconds[list(rows)]
    hold_s = np.asarray([_hold_seconds(plan, row) for row in rows], dtype=np.int64)
    steps = -(-int(hold_s.max()) // plan.step_seconds) + 1
    recent = panel.window([plan.keys[row] for row in rows], last_s=panel.last_s or 0, steps=steps)
    times_s = np.where(recent.values > 0, recent.times_s, 0)
    pod_up_s = cut_s + lead_s + max(plan.step_seconds, plan.refresh_seconds)
    until_s: _Ints = np.maximum(pod_up_s, times_s.max(axis=1) + lead_s + hold_s)
    return until_s


def _hold_seconds(plan: Plan, row: int) -> int:
    block = plan.book.forecasts[row].spec.scale_to_zero
    assert block is not None
    return block.hold_seconds


def _by_zone(plan: Plan, rows: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    zones = [plan.book.forecasts[row].spec.time_zone for row in rows]
    for zone in dict.fromkeys(zones):
        yield zone, [place for place, other in enumerate(zones) if other == zone]


def _worked(panel: HistoryPanel, keys: list[str], until_s: _Ints, *, cut_s: int, zone: str) -> _Floats:
    """(keys, LOOKED_AT_DAYS), as Rhythm.worked. A column tells of the time since the one before it, so one more than
    the window's is looked at."""
    step = panel.step_seconds
    columns = np.maximum(-(-(until_s - cut_s) // step) + 1, 1)
    inside = np.arange(int(columns.max())) < columns[:, None]
    found = np.full((len(keys), len(LOOKED_AT_DAYS)), np.nan)
    for place, days in enumerate(LOOKED_AT_DAYS):
        first_s = -(-_earlier(cut_s, days, zone) // step) * step
        last_s = first_s + (inside.shape[1] - 1) * step
        seen = panel.window(keys, last_s=last_s, steps=inside.shape[1]).values
        working = ((seen > 0) & inside).any(axis=1)
        known = (np.isfinite(seen) & inside).sum(axis=1) >= _KNOWN_SHARE * columns
        found[:, place] = np.where(working, 1.0, np.where(known, 0.0, np.nan))
    return found


def _earlier(time_s: int, days: int, zone: str) -> int:
    """When a clock in the zone showed the same so many days before."""
    then_s = time_s - days * _DAY_SECONDS
    now_offset, then_offset = local_offsets_seconds(np.asarray([time_s, then_s], dtype=np.int64), zone).tolist()
    return int(then_s + now_offset - then_offset)
