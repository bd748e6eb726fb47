"""Known events on their way through a fit: out of the history before it, into what is forecast after it.

A workload without events has factors of one, and no array is touched.
"""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.workloads.recurrence import TooManyOccurrences
from app.workloads.spec import LoadForecast
from models.calendar import Effect, EventTimes, column_factors, learn, presence
from models.forecasters.seasonal_profile import SeasonalProfile
from models.rolling import ahead_maximum
from models.series import Series

log = logging.getLogger(__name__)

Events = tuple[EventTimes, ...]
Effects = tuple[Effect, ...]

_Singles = NDArray[np.float32]


def events_of(forecast: LoadForecast, *, from_s: int, to_s: int) -> Events:
    """What touches [from_s, to_s); none, with a warning, where a rule occurs too often to follow."""
    if not (forecast.spec.calendar.events or forecast.spec.calendar.ics):
        return ()
    try:
        return forecast.spec.calendar.times(time_zone=forecast.spec.time_zone, from_s=from_s, to_s=to_s)
    except TooManyOccurrences as error:
        log.warning("%s: its calendar is left out: %s", forecast.key, error)
        return ()


def learned(series: Series, events: Sequence[Events], *, zone: str = "UTC") -> tuple[Effects, ...]:
    """The effect of each row's events, learned from what lies in the panel beside the row's profile without them.

    zone: IANA name of the clock that the loads follow.
    """
    return tuple(
        _learned_row(series.rows(slice(row, row + 1)), found, zone) if found else () for row, found in enumerate(events)
    )


def _learned_row(series: Series, events: Events, zone: str) -> Effects:
    grid = {"start_s": series.start_s, "step_seconds": series.step_seconds, "steps": series.steps}
    touched = np.any([presence(event, **grid) > 0 for event in events], axis=0)
    quiet = Series(series.start_s, series.step_seconds, np.where(touched, np.float32(np.nan), series.values))
    model = SeasonalProfile(zone=zone).fit(quiet)
    expected = model.profile(start_s=series.start_s, steps=series.steps)[0]
    return learn(
        events,
        start_s=series.start_s,
        step_seconds=series.step_seconds,
        measured=series.values[0],
        expected=expected,
        cut_s=series.last_s,
    )


def factors(
    events: Sequence[Events], effects: Sequence[Effects], *, start_s: int, step_seconds: int, steps: int
) -> _Singles | None:
    """What the events multiply each column by: float32 (workloads, steps); None where no workload has events."""
    if not any(events):
        return None
    result = np.ones((len(events), steps), dtype=np.float32)
    for row, (found, effect) in enumerate(zip(events, effects, strict=True)):
        if found:
            result[row] = column_factors(found, effect, start_s=start_s, step_seconds=step_seconds, steps=steps)
    return result


def without(series: Series, multiplied: _Singles | None) -> Series:
    """The panel as it would have been without the events."""
    if multiplied is None:
        return series
    return Series(series.start_s, series.step_seconds, series.values / multiplied)


def largest_ahead(multiplied: _Singles, window_steps: NDArray[np.int64], *, columns: int) -> _Singles:
    """The largest factor of the columns t + 1 ... t + window, for the first `columns` columns t."""
    result = np.empty((multiplied.shape[0], columns), dtype=np.float32)
    for window in np.unique(window_steps):
        rows = window_steps == window
        result[rows] = ahead_maximum(multiplied[rows], 1, int(window))[:, :columns]
    return result
