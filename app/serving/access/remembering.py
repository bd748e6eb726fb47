"""Answers that are remembered for a while, with one question for many who wait for the same answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.clock import Clock
from app.serving.status import Refusal

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Kept(Generic[Value]):
    """An answer and for how many seconds it holds; 0: not remembered."""

    value: Value
    seconds: float


class Remembered(Generic[Key, Value]):
    """At most `size` answers; when full, the least recently made one goes. At most `asking` questions at a time.

    Whoever would ask one question more is refused with 429, so that callers cannot make us flood the Kubernetes API.
    """

    def __init__(self, *, clock: Clock, size: int = 8192, asking: int = 64) -> None:
        self._clock = clock
        self._size = size
        self._limit = asking
        self._held: OrderedDict[Key, tuple[Value, float]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Value]] = {}

    def known(self, key: Key) -> Value | None:
        """The answer if it still holds."""
        held = self._held.get(key)
        return held[0] if held is not None and self._clock.now() < held[1] else None

    async def get(self, key: Key, ask: Callable[[], Awaitable[Kept[Value]]]) -> Value:
        """The answer, asked for if need be; failures of `ask` reach all who wait and are not remembered."""
        if (value := self.known(key)) is not None:
            return value
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= self._limit:
                raise Refusal(429, "too many access reviews at a time; try again", retry_after_seconds=1)
            task = asyncio.ensure_future(self._ask(key, ask))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)  # one caller hanging up must not fail the others

    async def _ask(self, key: Key, ask: Callable[[], Awaitable[Kept[Value]]]) -> Value:
        kept = await ask()
        if kept.seconds > 0:
            self._held.pop(key, None)
            self._held[key] = (kept.value, self._clock.now() + kept.seconds)
            while len(self._held) > self._size:
                self._held.popitem(last=False)
        return kept.value

    def _forget(self, key: Key, done: asyncio.Task[Value]) -> None:
        del self._asking[key]
        if not done.cancelled():
            done.exception()  # marks it as seen even if every caller has hung up
