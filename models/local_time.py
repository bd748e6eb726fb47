"""The clock that a load follows: people, and what they set off, keep to local time, daylight saving included.

A panel is moved onto that clock before anything looks for its seasons: then yesterday at the same time is always a
day's columns away. Where clocks are put forward the local clock has an hour without numbers, a gap that is over; where
they are put back the second of the two equal hours counts. Offsets are those of the time zone database (RFC 6557).
"""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from models.series import Series

MOST_MOVED_SECONDS = 7_200  # no zone puts its clocks back by more


def local_offsets_seconds(times_s: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """What to add to Unix time so that days begin at local midnight, daylight saving included: int64 like times_s.

    `zone` is an IANA name. The offset is looked up once an hour, the shortest time between changes.
    """
    hours = np.unique(times_s // 3600)
    info = ZoneInfo(zone)
    offsets = [datetime.fromtimestamp(int(hour) * 3600, UTC).astimezone(info).utcoffset() for hour in hours]
    seconds = np.asarray([int(offset.total_seconds()) if offset else 0 for offset in offsets], dtype=np.int64)
    return seconds[np.searchsorted(hours, times_s // 3600)]


def local_seconds(times_s: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """Unix time moved so that days begin at local midnight; 1 January 1970 was a Thursday in either."""
    return times_s if zone == "UTC" else times_s + local_offsets_seconds(times_s, zone)


def on_local_clock(series: Series, zone: str) -> Series:
    """The panel as its last column's clock reads: start_s and times_s are local, the last column stays the last.

    Columns of the first of two equal hours that the second has not reached yet are left away: they lie ahead.
    """
    if zone == "UTC":
        return series
    offsets = local_offsets_seconds(series.times_s, zone)
    last_s = series.last_s + int(offsets[-1])
    place = np.arange(1 - series.steps, 1) + (offsets - offsets[-1]) // series.step_seconds
    values = series.values
    if (offsets != offsets[-1]).any():
        reached = place <= 0
        place = place[reached] - place.min()
        values = np.full((series.workloads, int(place.max()) + 1), np.nan, dtype=np.float32)
        values[:, place] = series.values[:, reached]  # of two for one place the later one stays
    return Series(last_s - (values.shape[1] - 1) * series.step_seconds, series.step_seconds, values)


def same_offset(times_s: NDArray[np.int64], zone: str) -> Iterator[slice]:
    """The columns between changes of the clock, in order."""
    changed = np.zeros(0, dtype=np.int64)
    if zone != "UTC":
        changed = np.flatnonzero(np.diff(local_offsets_seconds(times_s, zone))) + 1
    bounds = [0, *changed.tolist(), times_s.size]
    return (slice(first, end) for first, end in itertools.pairwise(bounds) if first < end)


def moved_steps(step_seconds: int, zone: str) -> int:
    """Columns that putting the clocks back may take away: so many more are needed to look back as far."""
    return 0 if zone == "UTC" else -(-MOST_MOVED_SECONDS // step_seconds)
