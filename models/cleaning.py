"""From samples as a store gives them to a clean panel: the time grid, gaps, counter resets, spikes."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from models.rolling import interpolated
from models.series import RawHistory, Series

CLOSED_GAP_SECONDS = 7_200  # a gap that is over and was longer is an outage

_JITTER_SECONDS = 1e-3  # float noise of a sample that belongs exactly on the grid
_SPIKE_MADS = 20.0  # far outside of what noise and bursts do
_SEASONS_SECONDS = (86_400, 604_800)  # a spike at the time of yesterday's or last week's is load


def on_grid(history: RawHistory, *, start_s: int, steps: int, step_seconds: int, now_s: float) -> NDArray[np.float32]:
    """The samples on the grid start_s, start_s + step, ...: float32 (steps,), NaN where there is no number.

    A sample belongs to the first grid time that is not before it, so nothing is known early. Of several samples in
    one cell the latest counts, of equal times the one given last. Samples after now_s (a clock set back) are
    dropped; NaN, infinities and negative numbers are no numbers.
    """
    rows = rows_on_grid([history], start_s=start_s, steps=steps, step_seconds=step_seconds, now_s=now_s)
    return cast("NDArray[np.float32]", rows[0])


def rows_on_grid(
    histories: Sequence[RawHistory], *, start_s: int, steps: int, step_seconds: int, now_s: float
) -> NDArray[np.float32]:
    """`on_grid` of many series at once: float32 (series, steps). One by one, thousands of short ones take seconds."""
    values = np.full((len(histories), steps), np.nan, dtype=np.float32)
    if not histories:
        return values
    row = np.repeat(np.arange(len(histories)), [one.times_s.size for one in histories])
    times_s = np.concatenate([one.times_s for one in histories])
    numbers = np.concatenate([one.values for one in histories])
    good = np.isfinite(times_s) & (times_s <= now_s + _JITTER_SECONDS) & np.isfinite(numbers) & (numbers >= 0)
    row, times_s, numbers = row[good], times_s[good], numbers[good]
    order = np.lexsort((times_s, row))  # stable: equal times stay as given, and the last assignment counts
    cell = np.ceil((times_s[order] - start_s - _JITTER_SECONDS) / step_seconds)
    inside = (cell >= 0) & (cell < steps)
    order, cell = order[inside], cell[inside].astype(np.int64)
    values[row[order], cell] = numbers[order]
    return values


def rate_of_counter(history: RawHistory) -> RawHistory:
    """Increase per second between neighbouring samples of a counter; a fall is a reset, counted from zero.

    The rate stands at the later sample's time. Samples that are no finite numbers are skipped.
    """
    order = np.argsort(history.times_s, kind="stable")
    times_s, counts = history.times_s[order], history.values[order]
    last_of_time = np.append(np.diff(times_s) > 0, True) if times_s.size else np.zeros(0, dtype=np.bool_)
    good = np.isfinite(times_s) & np.isfinite(counts) & (counts >= 0) & last_of_time
    times_s, counts = times_s[good], counts[good]
    increase = np.diff(counts)
    increase = np.where(increase < 0, counts[1:], increase)
    return RawHistory(times_s[1:], increase / np.diff(times_s))


def for_fitting(series: Series, *, max_gap_seconds: int = 900) -> Series:
    """The panel a fit sees: short gaps filled with the last number, isolated spikes brought down. Input untouched.

    A spike is a single column far above the largest of its neighbours on both sides: a defect of the measurement,
    since a burst lasts for more than one sample. One that was there at the same time a day or a week before is load:
    on a coarse grid a surge of minutes is a single column.
    """
    values = _without_spikes(series)
    return Series(series.start_s, series.step_seconds, _filled(values, max(max_gap_seconds // series.step_seconds, 1)))


def for_learning(series: Series, *, max_gap_seconds: int = CLOSED_GAP_SECONDS) -> Series:
    """The panel that experts learn from: isolated spikes brought down, gaps of at most two hours bridged by a line.

    Both look at what came after a column, which is past when something is fitted. Longer gaps, outages, stay gaps.
    """
    values = _without_spikes(series)
    return Series(series.start_s, series.step_seconds, interpolated(values, max_gap_seconds // series.step_seconds))


def _without_spikes(series: Series) -> NDArray[np.float32]:
    cleaned = series.values.copy()
    if series.steps < 3:
        return cleaned
    inner = cleaned[:, 1:-1]
    around = np.fmax(series.values[:, :-2], series.values[:, 2:])
    limit = _spike_limit(inner, around)
    rows, columns = np.nonzero((inner > limit) & (around > 0))
    once = ~_came_before(series, rows, columns + 1, limit[rows, columns])
    rows, columns = rows[once], columns[once]
    inner[rows, columns] = around[rows, columns]
    return cleaned


def _spike_limit(values: NDArray[np.float32], around: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a lone column may reach, given the larger of its neighbours and the row's usual distance from it."""
    deviation = np.sort(np.abs(values - around), axis=1)  # NaN last
    middle = np.isfinite(deviation).sum(axis=1) // 2
    typical = np.take_along_axis(deviation, np.minimum(middle, deviation.shape[1] - 1)[:, None], axis=1)
    limit = around + np.float32(_SPIKE_MADS) * np.nan_to_num(typical, nan=np.inf)
    result: NDArray[np.float32] = np.maximum(limit, 3 * around)
    return result


def _came_before(
    series: Series, rows: NDArray[np.int64], columns: NDArray[np.int64], limit: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Whether more than `limit` was measured one season before each place, give or take a column. Looks back only."""
    found = np.zeros(rows.shape, dtype=np.bool_)
    for season_steps in (seconds // series.step_seconds for seconds in _SEASONS_SECONDS):
        if season_steps < 3:  # a column would be its own predecessor
            continue
        for near in (-1, 0, 1):
            earlier = columns - season_steps + near
            found |= (earlier >= 0) & (series.values[rows, np.maximum(earlier, 0)] > limit)
    return found


def _filled(values: NDArray[np.float32], max_gap_steps: int) -> NDArray[np.float32]:
    """Each gap up to `max_gap_steps` takes the last number before it; longer gaps stay gaps from there on."""
    columns = np.arange(values.shape[1])
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, columns), axis=1)
    near = (last >= 0) & (columns - last <= max_gap_steps)
    filled: NDArray[np.float32] = np.where(
        near, np.take_along_axis(values, np.maximum(last, 0), axis=1), np.float32(np.nan)
    )
    return filled
