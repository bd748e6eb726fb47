"""`make bench-fit`: seconds and memory of fitting and forecasting fleets of several sizes, block by block.

Each size runs in processes of its own, so that the peak of one is not that of the one before. The first fit finds
nothing remembered, the second one comes a refit later, as in the running service.
"""

import multiprocessing
import os
import resource
import time
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from app.pipeline.fitting import BLOCK_WORKLOADS, HOLD_OUT_DAYS, REMEMBERED_BYTES
from app.settings import Settings
from models.decision import Terms
from models.engine import FittedPanel, fit
from models.experts.registry import roster_for, rosters
from models.memory import Memory
from models.series import Series
from models.synthetic import daily, with_gaps

LEVELS = (0.1, 0.5, 0.9, 0.95)
STEP_SECONDS = 300
HORIZON = 12
REFIT_STEPS = 3

Row = tuple[float, float, float, float, float]


def main(
    workloads: Annotated[str, typer.Option(help="Sizes of the fleet, with commas.")] = "1000,3000,10000",
    days: Annotated[int, typer.Option(help="Length of the history.")] = 28,
) -> None:
    """Prints a table."""
    cores = os.cpu_count() or 1
    print(f"{cores} cores, {days} days x {STEP_SECONDS} s, blocks of {BLOCK_WORKLOADS}")
    print("workloads  experts      fit s  refit s  refit ms a workload  refresh s  peak MiB  coverage at 0.95")
    careful = Settings.model_fields["careful_workloads"].default
    for size in (int(one) for one in workloads.split(",")):
        name = roster_for(size, careful_workloads=careful)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            fit_s, refit_s, refresh_s, peak_mib, covered = pool.apply(measure, (size, days, name))
        print(
            f"{size:9d}  {name:11s}  {fit_s:5.1f}  {refit_s:7.1f}  {1000 * refit_s / size:19.1f}  "
            f"{refresh_s:9.2f}  {peak_mib:8.0f}  {covered:16.3f}",
            flush=True,
        )


def measure(workloads: int, days: int, roster: str) -> Row:
    """Seconds of a first fit, of one a refit later and of a refresh, peak MiB, and the mean coverage."""
    rng, memory = np.random.default_rng(1), Memory(REMEMBERED_BYTES)
    first = second = refresh = 0.0
    covered: list[float] = []
    fitted: list[FittedPanel] = []
    blocks = range(0, workloads, BLOCK_WORKLOADS)
    for start in track(blocks, description=f"{workloads} workloads", console=Console(stderr=True), transient=True):
        rows = min(BLOCK_WORKLOADS, workloads - start)
        panel = with_gaps(rng, daily(rng, workloads=rows, days=days, step_seconds=STEP_SECONDS), share=0.01)
        earlier = Series(panel.start_s, STEP_SECONDS, panel.values[:, :-REFIT_STEPS])
        later = Series(panel.start_s + REFIT_STEPS * STEP_SECONDS, STEP_SECONDS, panel.values[:, REFIT_STEPS:])
        seconds, _ = timed(earlier, roster, memory)
        first += seconds
        seconds, model = timed(later, roster, memory)
        second += seconds
        fitted.append(model)
        covered += model.coverage.tolist()
        began = time.perf_counter()
        model.predict(later.tail(model.recent_steps), latest=later.values[:, -1].astype(np.float64))
        refresh += time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return first, second, refresh, peak, float(np.nanmean(covered))


def timed(panel: Series, roster: str, memory: Memory) -> tuple[float, FittedPanel]:
    """Seconds of one fit, and the fit."""
    rows = panel.workloads
    whole = np.ones(rows, dtype=np.int64)
    terms = Terms(2 * whole, np.full(rows, 20.0), np.nanmax(panel.values, axis=1).clip(1) / 20.0, whole)
    began = time.perf_counter()
    model = fit(
        panel,
        terms=terms,
        level=np.full(rows, 0.95),
        levels=LEVELS,
        horizon=HORIZON,
        hold_out_steps=HOLD_OUT_DAYS * 86_400 // STEP_SECONDS,
        roster=rosters()[roster],
        memory=memory,
    )
    return time.perf_counter() - began, model


if __name__ == "__main__":
    typer.run(main)
