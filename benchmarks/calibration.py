"""How honest the quantiles are, on the second half of a history: coverage of the limit, and weighted quantile loss."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.sources.history_file import HistoryFile
from models.bands import fit_bands
from models.calibration import scores, track
from models.rolling import ahead_maximum
from models.series import Series

LEVELS = tuple(round(tenth / 10, 1) for tenth in range(1, 10))
_WEEK, _DAY = 10_080, 1_440
_HISTORY = 28 * _DAY
_REFIT = 180  # minutes between two fits, the service's default
_EVERY = 5  # minutes between two forecasts that are scored
_SCALE = 0.1

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Coverage:
    """Shares. share: of all minutes tried; least, most: of any trailing week, or of all where they are fewer."""

    share: float
    least: float
    most: float


def coverage(file: HistoryFile, wanted: _Floats, *, half: int, lead: int, level: float) -> Coverage:
    """Of the limit of the largest demand of the window, at a level; wanted: as Rehearsed has it.

    As served: at each refit the limit is tracked anew over the last week, and then stands until the next one.
    """
    window = lead + file.delay_minutes + 1
    decided = np.append(wanted[1:], np.nan)[None].astype(np.float32)  # at the end of each minute
    came = ahead_maximum(file.known.values, 1, window).astype(np.float32)
    scale = np.asarray([_SCALE * np.nanmean(file.known.values[0, :half])], dtype=np.float32)
    error = scores(came, decided, scale)[0]
    begin = half - half % _REFIT
    limits = np.repeat(_limits_of_fits(error, begin, level, window), _REFIT)[: error.size - begin]
    tried = np.flatnonzero(np.isfinite(limits) & np.isfinite(error[begin:]))
    tried = tried[tried >= half - begin]
    below = (error[begin:] <= limits)[tried]
    ends = range(tried[0] + _WEEK, tried[-1] + 1, _DAY)
    weeks = [float(below[(tried >= end - _WEEK) & (tried < end)].mean()) for end in ends]
    share = float(below.mean())
    return Coverage(share, min(weeks, default=share), max(weeks, default=share))


def _limits_of_fits(error: NDArray[np.float32], begin: int, level: float, window: int) -> NDArray[np.float32]:
    """What each fit from `begin` on, one row a fit, says of the time until the next one."""
    seen = _WEEK + _DAY // 2
    padded = np.concatenate([np.full(seen, np.nan, dtype=np.float32), error])
    fits = np.arange(begin, error.size, _REFIT)
    past = np.lib.stride_tricks.sliding_window_view(padded, seen)[fits].copy()
    past[:, -window:] = np.nan  # what came is not known yet
    rows = len(fits)
    _, last = track(past, np.full(rows, level), np.full(rows, window), judged_steps=_WEEK)
    return last


def relative_wql(file: HistoryFile, *, half: int, horizon: int) -> float:
    """Weighted quantile loss (levels 0.1 ... 0.9) so many minutes ahead, over that of repeating yesterday.

    The bands are fitted anew each week on the four weeks before it.
    """
    known, ours, naive = file.known, 0.0, 0.0
    for begin in range(half, known.steps, _WEEK):
        past = _columns(known, max(begin - _HISTORY, 0), begin)
        model = fit_bands(past, horizons=(horizon,), levels=LEVELS)
        end, reach = min(begin + _WEEK, known.steps), max(begin - model.lookback_steps, 0)
        seen = _columns(known, reach, end)
        bands = model.regressions.parts[0].quantiles(seen, first=begin - 1 - reach)[:, 0]
        origins = np.arange(begin - 1, end - horizon)[::_EVERY]
        yesterday = known.values[0, np.maximum(origins + horizon - _DAY, 0)]
        came, said = known.values[0, origins + horizon], bands[:, origins - (begin - 1)]
        counted = np.isfinite(came) & np.isfinite(yesterday) & np.isfinite(said).all(axis=0)
        ours += _pinball(came[counted], said[:, counted])
        naive += _pinball(came[counted], np.broadcast_to(yesterday, said.shape)[:, counted])
    return ours / naive


def _columns(series: Series, first: int, end: int) -> Series:
    return Series(series.start_s + first * series.step_seconds, series.step_seconds, series.values[:, first:end])


def _pinball(came: NDArray[np.float32], said: NDArray[np.float32]) -> float:
    error, level = (came - said).astype(np.float64), np.asarray(LEVELS)[:, None]
    return float(np.maximum(level * error, (level - 1) * error).sum())
