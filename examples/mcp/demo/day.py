"""The load that the demo plays: the same every day, so that its future can be known."""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Daily:
    """`base` at night, `hump` more at noon (UTC), `surge` more for surge_seconds from surge_at_s on every day.

    surge_every_s: where it comes more often; a divisor of a day, so that all days are alike.
    """

    base: float
    hump: float
    surge: float = 0.0
    surge_at_s: float = 0.0
    surge_seconds: float = 600.0
    surge_every_s: float = DAY_SECONDS
    noise: float = 0.05

    def at(self, time_s: float) -> float:
        """The level at a time in Unix seconds; its noise is a function of the minute."""
        phase = 2 * math.pi * (time_s % DAY_SECONDS) / DAY_SECONDS
        level = self.base + self.hump * (1 - math.cos(phase)) / 2
        if (time_s - self.surge_at_s) % self.surge_every_s < self.surge_seconds:
            level += self.surge
        minute = int(time_s) // 60
        return level * (1 + self.noise * ((minute * 2_654_435_761 % 4_294_967_296) / 2_147_483_648 - 1))


@dataclass(frozen=True)
class Past:
    """A recorded series of a Daily: what a rule would have written, had it been there."""

    record: str
    labels: Mapping[str, str]
    daily: Daily

    def samples(self, *, until_s: float, days: int, step_seconds: int) -> Iterator[str]:
        """Lines of OpenMetrics text, without its end."""
        inner = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        end_s = int(until_s) // step_seconds * step_seconds
        yield f"# TYPE {self.record} gauge"
        for time_s in range(end_s - days * DAY_SECONDS, end_s + 1, step_seconds):
            yield f"{self.record}{{{inner}}} {self.daily.at(time_s):.4f} {time_s}"


def write_trace(daily: Daily, path: Path, *, from_s: float, seconds: float, calls_per_unit: float) -> Path:
    """The coming load for the load generator: calls a second every ten seconds."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp", "value"])
        for passed in range(0, math.ceil(seconds) + 10, 10):
            rows.writerow([from_s + passed, round(daily.at(from_s + passed) * calls_per_unit, 4)])
    return path
