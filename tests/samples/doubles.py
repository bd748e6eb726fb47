"""What the tests of the samples share: tokens, documents, a clock that is moved by hand."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

TOKEN, OTHERS_TOKEN = "sesame", "mellon"
TOKENS = f"# two publishers\n{TOKEN} com.example/*\n{TOKEN} io.forescale.examples/*\n{OTHERS_TOKEN} org.other/*\n"
BEGAN = datetime(2026, 1, 1)  # noqa: DTZ001 - the store's times have no zone


@dataclass
class Ticking:
    """A second later each time that it is asked."""

    time: datetime = BEGAN

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def document(name: str = "com.example/weather", version: str = "1.0.0", **fields: Any) -> dict[str, Any]:
    """server.json with what it must have."""
    return {"name": name, "description": "Tells the weather.", "version": version, **fields}


@dataclass
class HandClock:
    """Time passes only where somebody sleeps, after everybody else has had a turn."""

    time: float = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.time += seconds
