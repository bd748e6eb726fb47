"""Which fit serves at which cut: aligned in time, so that every replica uses the same one, and made in the background.

A fit's window ends at F, a multiple of refit_seconds. It is made when the cut reaches F and serves from
F + settle on, which is later than it takes: replicas that fit at different speed still change over together.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from opentelemetry.trace import Link

from app import spans
from app.errors import FitFailed
from app.pipeline.fitting import FitJob, FittedBlock, FitWorker, ZoneOf, blocks

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 300
_BACK_OFF_SECONDS = 60

Signature = tuple[object, ...]
MakeJob = Callable[[tuple[str, ...], int], FitJob]


class Worker(Protocol):
    """Whoever fits one job after another; FitWorker does it in a process."""

    def run(self, jobs: Iterator[FitJob]) -> Iterator[FittedBlock]:
        """Blocks in the order of the jobs; raises FitFailed."""

    def close(self) -> None:
        """Ends it."""


class StartWorker(Protocol):
    """How a worker is started."""

    def __call__(self, *, timeout_seconds: float) -> Worker:
        """A worker that may take so long in all."""


@dataclass
class _Generation:
    blocks: list[FittedBlock] = field(default_factory=list)
    signatures: dict[str, Signature] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """Where a workload's models are: row `row` of `block`."""

    block: FittedBlock
    row: int


class Fits:
    """Keeps the generations of fits that are in use and starts what is missing, one refit at a time."""

    def __init__(self, *, refit_seconds: int, timeout_seconds: float, start_worker: StartWorker = FitWorker) -> None:
        self._start_worker = start_worker
        self._refit_seconds = refit_seconds
        self._settle_seconds = min(_SETTLE_SECONDS, refit_seconds // 2)
        self._timeout_seconds = timeout_seconds
        self._generations: dict[int, _Generation] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._worker: Worker | None = None
        self._not_before = 0.0
        self._failures = 0
        self._closed = False
        self.outcomes: dict[str, int] = {"ok": 0, "failed": 0}
        self.last_seconds = float("nan")

    def effective_s(self, cut_s: int) -> int:
        """The end of the window of the fit that serves at `cut_s`."""
        return (cut_s - self._settle_seconds) // self._refit_seconds * self._refit_seconds

    def current(self, cut_s: int) -> Mapping[str, Fit]:
        """The newest usable fit of each workload, none newer than the effective one."""
        found: dict[str, Fit] = {}
        with self._lock:
            for fit_s in sorted(self._generations):
                if fit_s > self.effective_s(cut_s):
                    break
                for block in self._generations[fit_s].blocks:
                    found.update((key, Fit(block, row)) for row, key in enumerate(block.keys))
        return found

    def settled(self, wanted: Mapping[str, Signature], *, cut_s: int) -> bool:
        """Whether nothing is missing at `cut_s`, or fitting it has just failed."""
        return not self._missing(wanted, self.effective_s(cut_s)) or self._failures > 0

    def request(
        self,
        wanted: Mapping[str, Signature],
        *,
        cut_s: int,
        make_job: MakeJob,
        zone_of: ZoneOf = lambda key: "UTC",
    ) -> None:
        """Starts fitting what is missing of `wanted` (key -> what its fit depends on); returns at once.

        make_job is called with keys of one time zone at a time.
        """
        self._forget(wanted, cut_s=cut_s)
        if (self._thread is not None and self._thread.is_alive()) or time.monotonic() < self._not_before:
            return
        for fit_s in dict.fromkeys((self.effective_s(cut_s), cut_s // self._refit_seconds * self._refit_seconds)):
            missing = self._missing(wanted, fit_s)
            if missing:
                self._start(fit_s, list(blocks(missing, zone_of=zone_of)), wanted, make_job)
                return

    def wait(self, *, timeout_seconds: float) -> bool:
        """Waits for a fit under way; False if it takes longer."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self._thread is None or not self._thread.is_alive()

    def _missing(self, wanted: Mapping[str, Signature], fit_s: int) -> list[str]:
        with self._lock:
            have = self._generations[fit_s].signatures if fit_s in self._generations else {}
            return [key for key, signature in wanted.items() if have.get(key) != signature]

    def _start(
        self, fit_s: int, missing: Sequence[tuple[str, ...]], wanted: Mapping[str, Signature], make_job: MakeJob
    ) -> None:
        signatures = {key: wanted[key] for block in missing for key in block}
        self._thread = threading.Thread(
            target=self._fit_traced,
            args=(fit_s, missing, signatures, make_job, spans.linked()),
            name="forescale-fits",
            daemon=True,
        )
        self._thread.start()

    def _fit_traced(
        self,
        fit_s: int,
        missing: Sequence[tuple[str, ...]],
        signatures: Mapping[str, Signature],
        make_job: MakeJob,
        asked_by: tuple[Link, ...],
    ) -> None:
        about = {spans.WORKLOADS: len(signatures), spans.FIT_WINDOW_END: fit_s}
        with spans.opened(spans.FIT, about, links=asked_by) as span:
            error = self._fit(fit_s, missing, signatures, make_job)
            if error is not None:
                spans.failed(span, type(error).__name__)

    def _fit(
        self, fit_s: int, missing: Sequence[tuple[str, ...]], signatures: Mapping[str, Signature], make_job: MakeJob
    ) -> Exception | None:
        """Fits and keeps; the error that ended it, which is counted and logged."""
        started = time.monotonic()
        try:
            if self._worker is None:  # it remembers what it fitted, so the next refit does only what is new
                self._worker = self._start_worker(timeout_seconds=self._timeout_seconds)
            for block in self._worker.run(make_job(keys, fit_s) for keys in missing):
                self._keep(fit_s, block, signatures)
        except Exception as error:  # a defect in a fit is a failed fit, not the end of forecasting
            if self._closed:
                return error
            if self._worker is not None:
                self._worker.close()
                self._worker = None
            self._failures += 1
            self._not_before = time.monotonic() + _BACK_OFF_SECONDS * min(2**self._failures, 32)
            self.outcomes["failed"] += 1
            log.warning("fit failed, the last one serves on: %s", error, exc_info=not isinstance(error, FitFailed))
            return error
        self._failures = 0
        self.outcomes["ok"] += 1
        self.last_seconds = time.monotonic() - started
        log.info("fitted %d workloads in %.1f s", len(signatures), self.last_seconds)
        return None

    def _keep(self, fit_s: int, block: FittedBlock, signatures: Mapping[str, Signature]) -> None:
        with self._lock:
            generation = self._generations.setdefault(fit_s, _Generation())
            generation.blocks.append(block)
            generation.signatures.update({key: signatures[key] for key in block.keys})

    def _forget(self, wanted: Mapping[str, Signature], *, cut_s: int) -> None:
        """Drops what serves nobody: all that is older than the newest usable generation with every workload in it.

        In each pass, also while fits are late: of 10,000 workloads a generation is 85 MB.
        """
        with self._lock:
            usable = [fit_s for fit_s in self._generations if fit_s <= self.effective_s(cut_s)]
            whole = [fit_s for fit_s in usable if wanted.keys() <= self._generations[fit_s].signatures.keys()]
            for fit_s in [one for one in usable if whole and one < max(whole)]:
                del self._generations[fit_s]

    def close(self) -> None:
        """Ends a fit under way; that it was not finished is no failure."""
        self._closed = True
        if self._worker is not None:
            self._worker.close()
        self.wait(timeout_seconds=5)
