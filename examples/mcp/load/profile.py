"""How much load at which time: a constant, or a trace that is played faster than it was recorded."""

import csv
import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True)
class Profile:
    """Levels that hold from one start to the next, in seconds since the run began; the last one ends the run.

    A level is calls per second in an open loop, callers at a time in a closed one.
    """

    starts_s: tuple[float, ...]
    levels: tuple[float, ...]
    end_s: float

    @classmethod
    def constant(cls, level: float, *, seconds: float) -> "Profile":
        """The same level throughout."""
        return cls((0.0,), (level,), seconds)

    @classmethod
    def read(cls, path: Path, *, speed: float, scale: float, most_seconds: float) -> "Profile":
        """From `timestamp,value` with a header; a timestamp is ISO 8601 or Unix seconds. Raises ValueError.

        Played `speed` times as fast as recorded, values multiplied by `scale`, cut off after most_seconds.
        """
        with path.open(newline="") as file:
            rows = [(_seconds(row["timestamp"]), float(row["value"]) * scale) for row in csv.DictReader(file)]
        times = [time for time, _ in rows]
        if len(rows) < 2 or any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError(f"{path}: at least two rows with increasing timestamps are needed")
        if not all(math.isfinite(level) and level >= 0 for _, level in rows):
            raise ValueError(f"{path}: a value is negative or not a number")
        last = times[-1] + (times[-1] - times[-2])
        starts = tuple((time - times[0]) / speed for time in times)
        return cls(starts, tuple(level for _, level in rows), min((last - times[0]) / speed, most_seconds))

    def level(self, at_s: float) -> float:
        """At a time; 0 outside the run."""
        if not 0 <= at_s < self.end_s:
            return 0.0
        return self.levels[bisect_right(self.starts_s, at_s) - 1]

    def arrivals(self, *, rng: random.Random | None = None) -> Iterator[float]:
        """Times at which calls are due: evenly spaced, or with `rng` a Poisson process of that rate."""
        due = -math.log(1 - rng.random()) if rng is not None else 0.0  # in calls, not in seconds
        passed = 0.0
        for start_s, stop_s, rate in self._pieces():
            content = (stop_s - start_s) * rate
            while due < passed + content:
                yield start_s + (due - passed) / rate
                due += -math.log(1 - rng.random()) if rng is not None else 1.0
            passed += content

    def _pieces(self) -> Iterator[tuple[float, float, float]]:
        ends: Sequence[float] = (*self.starts_s[1:], math.inf)
        for start_s, end_s, level in zip(self.starts_s, ends, self.levels, strict=True):
            if start_s < self.end_s and level > 0:
                yield start_s, min(end_s, self.end_s), level


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
