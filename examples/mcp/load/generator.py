"""The two loops. Latency counts from the time at which a call was due, so that a server that stalls cannot slow its own
measurement down."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from examples.mcp.load.profile import Profile

NOT_SENT = "not_sent"  # in an open loop, when too many calls were unanswered already
_LOOK_SECONDS = 0.1  # how often an idle caller of a closed loop looks whether it is wanted


class Clock(Protocol):
    """Seconds since some beginning, and waiting."""

    def now(self) -> float:
        """The time."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class MachineClock:
    """The machine's."""

    def now(self) -> float:
        """Monotonic."""
        return time.perf_counter()

    async def sleep(self, seconds: float) -> None:
        """Waits; 0 lets others go first."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Sample:
    """One call. error: None, or its kind. late_seconds: by how much it was sent after it was due."""

    error: str | None
    latency_seconds: float
    late_seconds: float


CallOne = Callable[[], Awaitable[str | None]]  # does the next call; returns the kind of its error


@dataclass
class Generator:
    """Runs a profile once, never longer than it lasts (but for the last answers) and never more than most_calls."""

    call: CallOne
    most_calls: int
    clock: Clock = field(default_factory=MachineClock)
    samples: list[Sample] = field(default_factory=list)

    async def open_loop(self, arrivals: Iterable[float], *, most_in_flight: int) -> None:
        """Sends at the times given (seconds from now), whether or not earlier calls were answered."""
        began = self.clock.now()
        in_flight: set[asyncio.Task[None]] = set()
        for due in itertools.islice(arrivals, self.most_calls):
            while (wait := began + due - self.clock.now()) > 0:
                await self.clock.sleep(wait)
            if len(in_flight) >= most_in_flight:
                await self.clock.sleep(0)
            if len(in_flight) >= most_in_flight:
                self.samples.append(Sample(NOT_SENT, 0.0, self.clock.now() - began - due))
                continue
            task = asyncio.create_task(self._one(began + due))
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)
        await asyncio.gather(*in_flight)

    async def closed_loop(self, profile: Profile, *, think_seconds: float = 0.0) -> None:
        """As many callers as the profile says; each calls again once it was answered and has thought."""
        began = self.clock.now()
        numbers = itertools.count()

        async def caller(place: int) -> None:
            while (now := self.clock.now() - began) < profile.end_s:
                if place >= profile.level(now):
                    await self.clock.sleep(_LOOK_SECONDS)
                elif next(numbers) < self.most_calls:
                    await self._one(self.clock.now())
                    await self.clock.sleep(think_seconds)
                else:
                    return

        await asyncio.gather(*(caller(place) for place in range(round(max(profile.levels)))))

    async def _one(self, due: float) -> None:
        late = self.clock.now() - due
        error = await self.call()
        self.samples.append(Sample(error, self.clock.now() - due, late))
