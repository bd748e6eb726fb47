"""Fits in a process of their own: outside the interpreter lock of everybody else, niced, with a time limit.

A fit of one block of workloads is a pure function of its job, so replicas that fit the same window agree.
"""

import dataclasses
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from app import spans
from app.errors import FitFailed
from app.pipeline.events import Effects, Events, factors, largest_ahead, learned, without
from app.planning.replay import Verdict, judge
from app.telemetry import show_stacks_on_signal
from models.decision import Terms
from models.engine import FittedPanel, fit
from models.experts.registry import rosters
from models.memory import Memory
from models.series import Series

log = logging.getLogger(__name__)

ZoneOf = Callable[[str], str]  # a workload's key -> IANA name of the clock that its load follows

HOLD_OUT_DAYS = 7  # replayed for weights and verdict; coverage is told of them
REMEMBERED_BYTES = 200_000_000  # results of days before: a few workloads' whole week, the models of a large fleet
BLOCK_WORKLOADS = 128  # bounds what a fit needs: 65 MB over the bare process with 128 x 8,064 steps, 150 MB with 256


@dataclass(frozen=True)
class FitJob:
    """One block of workloads to fit. All arrays have one entry a workload, in the order of `keys`.

    zone: IANA name of the clock that all of them follow. events: for each workload, what touches the history and some
    days after it; empty: no workload has any. trace: of the refit, for the process that fits.
    """

    keys: tuple[str, ...]
    series: Series
    window_steps: NDArray[np.int64]
    lead_steps: NDArray[np.int64]
    level: NDArray[np.float64]
    price: NDArray[np.float64]
    capacity_per_pod: NDArray[np.float64]
    levels: tuple[float, ...]
    horizon: int
    hold_out_steps: int
    hold_steps: NDArray[np.int64]
    roster: str
    zone: str = "UTC"
    events: tuple[Events, ...] = ()
    trace: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FittedBlock:
    """What a job gives: the fitted models and the verdict of the replay, in the order of `keys`.

    The models are those of the load without its events; effects: what each event multiplies it by.
    """

    keys: tuple[str, ...]
    cut_s: int
    fitted: FittedPanel
    verdict: Verdict
    events: tuple[Events, ...] = ()
    effects: tuple[Effects, ...] = ()


def fit_block(job: FitJob, *, memory: Memory | None = None) -> FittedBlock:
    """Cleans, fits, replays the held-out days and judges whether the forecast pays."""
    series = job.series
    effects = learned(series, job.events, zone=job.zone)
    grid = {"start_s": series.start_s, "step_seconds": series.step_seconds}
    reach = int(job.window_steps.max(initial=1))
    multiplied = factors(job.events, effects, **grid, steps=series.steps + reach)
    fitted = fit(
        without(series, None if multiplied is None else multiplied[:, : series.steps]),
        terms=Terms(job.window_steps, job.price, job.capacity_per_pod, job.hold_steps),
        level=job.level,
        levels=job.levels,
        horizon=job.horizon,
        hold_out_steps=job.hold_out_steps,
        roster=rosters()[job.roster],
        zone=job.zone,
        memory=memory,
    )
    held = series.steps - fitted.held_out_required.shape[1]
    measured = series.values[:, held:]  # filled gaps prove nothing
    required = fitted.held_out_required
    if multiplied is not None:
        required = required * largest_ahead(multiplied, job.window_steps, columns=series.steps)[:, held:]
    verdict = judge(
        required=required,
        actual=measured,
        capacity_per_pod=job.capacity_per_pod,
        lead_steps=job.lead_steps,
        price=job.price,
        step_seconds=series.step_seconds,
        hold_steps=job.hold_steps,
    )
    return FittedBlock(job.keys, series.last_s, _without_held_out(fitted), verdict, job.events, effects)


def _without_held_out(fitted: FittedPanel) -> FittedPanel:
    """The verdict is what they were for; of 10,000 workloads they are 160 MB a generation."""
    return dataclasses.replace(
        fitted,
        held_out_required=fitted.held_out_required[:, :0],
        held_out_limit=fitted.held_out_limit[:, :0],
        held_out_actual=fitted.held_out_actual[:, :0],
    )


class FitWorker:
    """A process that fits one job after another. Ends with `close`, on its time limit, or with its parent."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), name="forescale-fit", daemon=True)
        self._process.start()
        theirs.close()

    @property
    def process_id(self) -> int | None:
        """Of the process."""
        return self._process.pid

    def run(self, jobs: Iterator[FitJob]) -> Iterator[FittedBlock]:
        """The blocks in the order of the jobs; raises FitFailed when one fails or all take longer than the limit."""
        deadline = time.monotonic() + self._timeout_seconds
        for job in jobs:
            yield self._one(job, deadline)

    def _one(self, job: FitJob, deadline: float) -> FittedBlock:
        try:
            self._ours.send(dataclasses.replace(job, trace=spans.carried()))
            if not self._ours.poll(max(deadline - time.monotonic(), 0)):
                raise FitFailed(f"no result within {self._timeout_seconds:.0f} s; raise FORESCALE_FIT_TIMEOUT_SECONDS")
            answer = self._ours.recv()
        except (EOFError, OSError) as error:
            raise FitFailed("the fitting process died; is its memory limited too tightly?") from error
        if isinstance(answer, FittedBlock):
            return answer
        raise FitFailed(str(answer))

    def close(self) -> None:
        """Ends the process; a fit under way is lost."""
        self._ours.close()
        self._process.join(timeout=0.5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _work(theirs: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    show_stacks_on_signal()
    os.nice(10)
    last_spans = spans.set_up_tracing("fit")
    memory = Memory(REMEMBERED_BYTES)
    try:
        while _work_once(theirs, memory):
            pass
    finally:
        last_spans()


def _work_once(theirs: Connection, memory: Memory) -> bool:
    """Whether the parent is still there after one job."""
    try:
        job: FitJob = theirs.recv()
        theirs.send(_answer(job, memory))
    except (EOFError, OSError):
        return False
    return True


def _answer(job: FitJob, memory: Memory) -> FittedBlock | str:
    """The fit, or why there is none: the parent decides; a worker must not die of one block."""
    try:
        with spans.opened(spans.FIT_BLOCK, {spans.WORKLOADS: len(job.keys)}, carrier=job.trace):
            return fit_block(job, memory=memory)
    except Exception as error:  # noqa: BLE001 - see above
        return f"{type(error).__name__}: {error}"


def blocks(keys: Sequence[str], *, zone_of: ZoneOf) -> Iterator[tuple[str, ...]]:
    """Keys in blocks of at most BLOCK_WORKLOADS whose loads follow the same clock."""
    zones = [zone_of(key) for key in keys]
    for zone in dict.fromkeys(zones):
        alike = [key for key, other in zip(keys, zones, strict=True) if other == zone]
        for start in range(0, len(alike), BLOCK_WORKLOADS):
            yield tuple(alike[start : start + BLOCK_WORKLOADS])
