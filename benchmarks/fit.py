"""`make bench-fit`: seconds and memory of fitting and forecasting a fleet, in this process, block by block."""

import os
import resource
import time
from typing import Annotated

import numpy as np
import typer

from models.cleaning import for_fitting
from models.decision import Terms
from models.engine import FittedPanel, fit
from models.series import Series
from models.synthetic import daily, with_gaps

BLOCK = 128  # as many as the pipeline fits at once
LEVELS = (0.1, 0.5, 0.9, 0.95)


def main(
    workloads: Annotated[int, typer.Option(help="Size of the fleet.")] = 2_000,
    days: Annotated[int, typer.Option(help="Length of the history.")] = 28,
    step_seconds: Annotated[int, typer.Option(help="Time grid.")] = 300,
) -> None:
    """Prints a table."""
    rng = np.random.default_rng(1)
    fit_seconds = predict_seconds = 0.0
    covered: list[float] = []
    for start in range(0, workloads, BLOCK):
        rows = min(BLOCK, workloads - start)
        panel = with_gaps(rng, daily(rng, workloads=rows, days=days, step_seconds=step_seconds), share=0.01)
        began = time.perf_counter()
        fitted = _fit(panel)
        fit_seconds += time.perf_counter() - began
        began = time.perf_counter()
        fitted.predict(panel.tail(fitted.recent_steps), latest=panel.values[:, -1].astype(np.float64))
        predict_seconds += time.perf_counter() - began
        covered += fitted.coverage.tolist()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{os.cpu_count()} cores, {workloads} workloads x {days} days x {step_seconds} s, blocks of {BLOCK}")
    print("fit s  predict s  peak MiB  coverage at 0.95")
    print(f"{fit_seconds:5.1f}  {predict_seconds:9.2f}  {peak_mib:8.0f}  {np.nanmean(covered):16.3f}")


def _fit(panel: Series) -> FittedPanel:
    rows = panel.workloads
    return fit(
        for_fitting(panel),
        terms=Terms(np.full(rows, 2, dtype=np.int64), np.full(rows, 20.0), panel.values.max(axis=1).clip(1) / 20.0, 1),
        level=np.full(rows, 0.95),
        levels=LEVELS,
        horizon=12,
        hold_out_steps=6 * 86_400 // panel.step_seconds,
    )


if __name__ == "__main__":
    typer.run(main)
