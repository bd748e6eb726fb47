"""Time as a value that is passed in: the machine's clock, or a played one for the demo and for tests."""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Unix time in seconds, and how to convert a span of it into waiting."""

    def now(self) -> float:
        """Unix seconds."""

    def real_seconds(self, seconds: float) -> float:
        """How long one must really wait for `seconds` of this clock to pass."""


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def real_seconds(self, seconds: float) -> float:
        return seconds


@dataclass(frozen=True)
class PlayedClock:
    """Plays time from `start_s` on, `speed` times as fast as the machine's clock since `epoch_s`.

    Pure in the machine's time, so that two processes holding the same value agree.
    """

    start_s: float
    epoch_s: float
    speed: float

    def now(self) -> float:
        return self.start_s + (time.time() - self.epoch_s) * self.speed

    def real_seconds(self, seconds: float) -> float:
        return seconds / self.speed
