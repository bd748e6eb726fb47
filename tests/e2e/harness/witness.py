"""What /metrics showed at each time, noted while it happened, for questions that are asked later."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

_PAUSE_SECONDS = 3.0


@dataclass(frozen=True)
class Told:
    """One workload in one scrape. cut_s: Unix seconds of the snapshot; acting: whether the forecast was served;
    settled: whether the fits that the cut needs had been made by then."""

    cut_s: int
    value: float
    lead_seconds: int
    acting: bool
    settled: bool


def told(exposition: str, namespace: str, name: str) -> Told | None:
    """Out of the text of /metrics; None where nothing is served."""
    workload = f'namespace="{namespace}",name="{name}"'
    found = [
        _value(exposition, start)
        for start in (
            "forescale_snapshot_cut_timestamp_seconds ",
            f"forescale_served_value{{{workload}}}",
            f"forescale_lead_seconds{{{workload},",
            f"forescale_acting{{{workload}}}",
            "forescale_snapshot_settled ",
        )
    ]
    cut, value, lead, acting, settled = found
    if cut is None or value is None or lead is None or acting is None:
        return None
    return Told(int(cut), value, int(lead), acting == 1, settled == 1)


def _value(exposition: str, start: str) -> float | None:
    return next((float(line.rpartition(" ")[2]) for line in exposition.splitlines() if line.startswith(start)), None)


@dataclass
class Witness:
    """Looks every few seconds in a thread of its own; `seen` has what was there, in the order of time."""

    seen: list[Told] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def watch(self, look: Callable[[], Told | None], *, until_s: float) -> None:
        """Begins; ends by itself at until_s (Unix seconds)."""

        def watching() -> None:
            while time.time() < until_s and not self._stop.wait(_PAUSE_SECONDS):
                try:
                    found = look()
                except httpx.HTTPError:  # a replica that is being restarted
                    continue
                if found is not None:
                    self.seen.append(found)

        self._thread = threading.Thread(target=watching, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends early."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
