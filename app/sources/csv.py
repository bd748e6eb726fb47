"""Histories from a CSV file: a column named `timestamp` and one column a series; a query is a column's name."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.errors import ConfigurationError
from app.sources.base import LabelledHistory
from app.sources.fixed import FixedSource
from app.telemetry import shortened
from models.series import RawHistory

TIMESTAMP = "timestamp"


def csv_source(path: Path, *, now: Callable[[], float]) -> FixedSource:
    """Reads the file (.gz too). Times are ISO 8601, UTC if they name no zone, or Unix seconds; empty cells are gaps.

    A value counts for one step of the file, as a scrape counts until the next one. Raises ConfigurationError.
    """
    table = _read(path)
    times_s = _times_s(path, table.pop(TIMESTAMP))
    series = {str(name): [_history(path, str(name), times_s, column)] for name, column in table.items()}
    return FixedSource(series, now=now, lookback_seconds=_step_seconds(path, times_s), origin=path.name)


def read_columns(path: Path, *, content: bytes | None = None) -> dict[str, RawHistory]:
    """All series of the file by their columns' names; raises ConfigurationError. content: instead of the file's."""
    table = _read(path, content)
    times_s = _times_s(path, table.pop(TIMESTAMP))
    return {str(name): _history(path, str(name), times_s, column).history for name, column in table.items()}


def _read(path: Path, content: bytes | None = None) -> pd.DataFrame:
    try:
        table = pd.read_csv(path if content is None else BytesIO(content), skipinitialspace=True)
    except (OSError, EOFError, ValueError) as error:  # pandas' parser errors are ValueErrors
        text = shortened(str(error), 160)
        raise ConfigurationError(f"{path}: cannot be read as CSV; check its name and content: {text}") from error
    if TIMESTAMP not in table.columns:
        raise ConfigurationError(f"{path}: needs a column named {TIMESTAMP}; its columns are {list(table.columns)}")
    if len(table.columns) < 2:
        raise ConfigurationError(f"{path}: needs at least one column of numbers beside {TIMESTAMP}")
    return table


def _times_s(path: Path, column: "pd.Series[Any]") -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce")
    if 2 * numbers.notna().sum() >= len(column):  # one bad cell makes the column text, but not its numbers dates
        seconds = np.asarray(numbers, dtype=np.float64)
    else:
        parsed = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
        seconds = np.asarray((parsed - pd.Timestamp(0, tz="UTC")).dt.total_seconds(), dtype=np.float64)
    bad = ~np.isfinite(seconds)
    _reject(path, TIMESTAMP, column, bad, "write times as 2026-01-31T12:00:00Z or as Unix seconds")
    return seconds


def _history(path: Path, name: str, times_s: NDArray[np.float64], column: "pd.Series[Any]") -> LabelledHistory:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    filled = column.notna().to_numpy()
    _reject(path, name, column, np.isnan(values) & filled, "write a number, or leave the cell empty")
    return LabelledHistory({"__name__": name}, RawHistory(times_s[filled], values[filled]))


def _reject(path: Path, name: str, column: "pd.Series[Any]", bad: NDArray[np.bool_], advice: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        text = shortened(str(column.iloc[row]), 60)
        raise ConfigurationError(f"{path}: column {name}, line {row + 2} holds {text!r}; {advice}")


def _step_seconds(path: Path, times_s: NDArray[np.float64]) -> float:
    gaps = np.diff(np.unique(times_s))
    if not gaps.size:
        raise ConfigurationError(f"{path}: needs at least two different times")
    return float(np.median(gaps))
