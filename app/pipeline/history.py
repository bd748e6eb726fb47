"""The panel of all workloads' histories in memory: one grid, appended at every refresh, never older than needed."""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.series import Series

_SPARE_COLUMNS = 256  # columns appended before the panel is shifted once
_SPARE_ROWS = 64


class HistoryPanel:
    """float32 (workloads, steps) on multiples of step_seconds, with room to append columns and rows.

    `keep_steps` columns are kept; what falls out on the left is gone. Rows are found by the workload's key.
    Thread-safe: requests write, a fit copies its window, and the pass appends at the same time.
    """

    def __init__(self, *, keep_steps: int, step_seconds: int) -> None:
        self._keep_steps = keep_steps
        self._step_seconds = step_seconds
        self._values: NDArray[np.float32] = np.full((0, keep_steps + _SPARE_COLUMNS), np.nan, dtype=np.float32)
        self._columns = 0
        self._start_s = 0
        self._rows: dict[str, int] = {}
        self._lock = threading.RLock()

    @property
    def step_seconds(self) -> int:
        """Seconds between columns."""
        return self._step_seconds

    @property
    def last_s(self) -> int | None:
        """Time of the last column, None while there is none."""
        return self._start_s + (self._columns - 1) * self._step_seconds if self._columns else None

    @property
    def first_s(self) -> int | None:
        """Time of the first column, None while there is none."""
        return self._start_s if self._columns else None

    def keys(self) -> set[str]:
        """The workloads that have a row."""
        return set(self._rows)

    def select(self, keys: Iterable[str]) -> None:
        """Keeps the rows of `keys`, forgets others, adds empty rows for new ones."""
        with self._lock:
            self._select(list(dict.fromkeys(keys)))

    def _select(self, wanted: list[str]) -> None:
        if wanted == list(self._rows):
            return
        kept = [key for key in wanted if key in self._rows]
        if len(kept) == len(self._rows) and wanted[: len(kept)] == list(self._rows):
            self._append_rows(wanted[len(kept) :])
            return
        values = np.full((len(wanted) + _SPARE_ROWS, self._values.shape[1]), np.nan, dtype=np.float32)
        for row, key in enumerate(wanted):
            if key in self._rows:
                values[row] = self._values[self._rows[key]]
        self._values = values
        self._rows = {key: row for row, key in enumerate(wanted)}

    def _append_rows(self, keys: list[str]) -> None:
        needed = len(self._rows) + len(keys)
        if needed > self._values.shape[0]:
            grown = np.full((needed + _SPARE_ROWS, self._values.shape[1]), np.nan, dtype=np.float32)
            grown[: len(self._rows)] = self._values[: len(self._rows)]
            self._values = grown
        for key in keys:
            self._rows[key] = len(self._rows)
            self._values[self._rows[key]] = np.nan

    def advance(self, last_s: int) -> None:
        """Makes `last_s` (a multiple of the step) the last column; new columns are NaN.

        A time before the present last column means that the clock was set back: what lies later is dropped.
        """
        with self._lock:
            self._advance(last_s)

    def _advance(self, last_s: int) -> None:
        if not self._columns or last_s < self._start_s:
            self._values[:] = np.nan
            self._start_s = last_s - (self._keep_steps - 1) * self._step_seconds
            self._columns = self._keep_steps
            return
        added = (last_s - (self._start_s + (self._columns - 1) * self._step_seconds)) // self._step_seconds
        if added < 0:
            self._drop_right(-added)
        elif added > 0:
            self._append_columns(added)

    def _drop_right(self, columns: int) -> None:
        kept = self._columns - columns
        self._values[:, kept : self._columns] = np.nan
        self._columns = kept

    def _append_columns(self, added: int) -> None:
        if added >= self._keep_steps:
            self._values[:] = np.nan
            self._start_s += added * self._step_seconds
            return
        if self._columns + added > self._values.shape[1]:
            drop = self._columns + added - self._keep_steps
            kept = self._columns - drop
            self._values[:, :kept] = self._values[:, drop : self._columns]
            self._values[:, kept:] = np.nan
            self._start_s += drop * self._step_seconds
            self._columns = kept
        self._values[:, self._columns : self._columns + added] = np.nan
        self._columns += added

    def write(self, key: str, *, start_s: int, values: NDArray[np.float32], overwrite: bool) -> None:
        """`write_rows` of one row."""
        self.write_rows([key], start_s=start_s, values=values[None, :], overwrite=overwrite)

    def write_rows(self, keys: Sequence[str], *, start_s: int, values: NDArray[np.float32], overwrite: bool) -> None:
        """Puts numbers (one row a key) at start_s, start_s + step, ...; NaN never replaces a number.

        overwrite=False (an answer that may be incomplete) only fills where there is no number yet.
        """
        with self._lock:
            first = (start_s - self._start_s) // self._step_seconds
            skip = max(-first, 0)
            stop = min(first + values.shape[1], self._columns)
            if not len(keys) or stop <= first + skip:
                return
            rows = np.asarray([self._rows[key] for key in keys], dtype=np.int64)
            new = values[:, skip : stop - first]
            held = self._values[rows, first + skip : stop]
            better = np.isfinite(new) if overwrite else np.isfinite(new) & ~np.isfinite(held)
            self._values[rows, first + skip : stop] = np.where(better, new, held)

    def window(self, keys: list[str], *, last_s: int, steps: int) -> Series:
        """A copy of the `steps` columns that end at `last_s`, rows in the order of `keys`.

        NaN where nothing is known: before the panel begins, after its last column, for keys without a row.
        """
        values = np.full((len(keys), steps), np.nan, dtype=np.float32)
        with self._lock:
            known = [(place, self._rows[key]) for place, key in enumerate(keys) if key in self._rows]
            first = (last_s - self._start_s) // self._step_seconds + 1 - steps  # our column of the window's first
            start, stop = max(first, 0), min(first + steps, self._columns)
            if known and stop > start:
                places, rows = (np.asarray(index, dtype=np.int64) for index in zip(*known, strict=True))
                values[places, start - first : stop - first] = self._values[rows, start:stop]
            return Series(self._start_s + first * self._step_seconds, self._step_seconds, values)
