"""One history on a grid of minutes, from a CSV file or a store: what was measured, and what was known of it when."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ConfigurationError
from app.sources.csv import TIMESTAMP, read_columns
from models.series import RawHistory, Series

MINUTE_SECONDS = 60
_LONGEST_STEP_SECONDS = 86_400


@dataclass(frozen=True)
class HistoryFile:
    """known: one row, column j is what was known at the end of minute j. demand: float64 (minutes,), what the load of
    minute j was, gaps filled by the numbers around them; the two differ where the file's step is longer than a minute.
    delay_minutes: by which the first then lags behind the second.
    """

    name: str
    known: Series
    demand: NDArray[np.float64]
    delay_minutes: int


def read_history(path: Path, *, content: bytes | None = None) -> HistoryFile:
    """Reads `timestamp,value`: starts of intervals of any step, in any order; raises ConfigurationError.

    content: instead of the file's, which then is only a name. Several values of a minute are averaged. A value of a
    longer interval is known when the interval has ended, and stands until the next one has.
    """
    columns = read_columns(path, content=content)
    if len(columns) != 1:
        raise ConfigurationError(f"{path}: needs one column beside {TIMESTAMP}, not {sorted(columns)}; split it")
    (history,) = columns.values()
    return on_minutes(history, name=path.name)


def on_minutes(history: RawHistory, *, name: str) -> HistoryFile:
    """The same for samples that are there already; raises ConfigurationError where there are too few."""
    good = np.isfinite(history.values) & (history.values >= 0)
    times_s, values = history.times_s[good], history.values[good]
    if times_s.size < 2:
        raise ConfigurationError(f"{name}: holds {times_s.size} usable numbers; a replay needs two days of them")
    order = np.argsort(times_s, kind="stable")
    times_s, values = times_s[order], values[order]
    step = _step_minutes(times_s)
    start_s = int(times_s[0] // MINUTE_SECONDS * MINUTE_SECONDS)
    place = ((times_s - start_s) // MINUTE_SECONDS).astype(np.int64)
    minutes = int(place[-1]) + step
    count = np.bincount(place, minlength=minutes)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=values, minlength=minutes) / count
    begun = np.flatnonzero(count > 0)
    demand = _stretched(mean, begun, begun, step)
    known = _stretched(mean, begun, begun + step - 1, step)
    whole = np.interp(np.arange(minutes), np.flatnonzero(np.isfinite(demand)), demand[np.isfinite(demand)])
    return HistoryFile(name, Series(start_s, MINUTE_SECONDS, known[None].astype(np.float32)), whole, step - 1)


def _step_minutes(times_s: NDArray[np.float64]) -> int:
    """The usual distance of two numbers, at least a minute."""
    apart = np.diff(times_s)
    usual = float(np.median(apart[apart > 0])) if (apart > 0).any() else MINUTE_SECONDS
    return int(np.clip(round(usual / MINUTE_SECONDS), 1, _LONGEST_STEP_SECONDS // MINUTE_SECONDS))


def _stretched(
    mean: NDArray[np.float64], begun: NDArray[np.int64], to: NDArray[np.int64], step: int
) -> NDArray[np.float64]:
    """Each number of `begun` at the columns to ... to + step - 1, or until the next one."""
    result = np.full(mean.shape, np.nan)
    for ahead in range(step - 1, -1, -1):
        inside = to + ahead < mean.size
        result[(to + ahead)[inside]] = mean[begun[inside]]
    return result
