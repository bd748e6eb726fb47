"""`make bench-forecast`: what the forecast saves on recorded loads, beside reacting and beside well-known forecasters.

Every history is replayed minute by minute through the HPA's law (tolerance 0, scaling in held for 5 minutes), the
second half is scored. `gap closed`: 0 is the best reactive policy, chosen in hindsight, 100 a perfect forecast. The
others ask for a quantile of their own forecast's maximum over the lead, or for what they say, times a margin that is
chosen in hindsight among a few: an advantage that the forecast of this project does not get.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from app.pipeline.rehearsal import RehearsalOptions, rehearse
from app.planning.score import Comparison, Score, Setting, compare, score
from app.sources.history_file import HistoryFile, read_history
from benchmarks.calibration import Coverage, coverage, relative_wql
from benchmarks.rivals import RIVALS

PRICE = 20.0
PODS = 20
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    trace: str
    lead: int
    policy: str
    gap_closed: float
    found: Score
    seconds: float
    covered: tuple[Coverage, ...] = ()

    def text(self) -> str:
        """As printed."""
        return (
            f"{self.trace:24s} {self.lead:4d}  {self.policy:28s} {100 * self.gap_closed:9.1f}  {self.found.cost:6.3f}  "
            f"{self.found.pods:5.3f}  {100 * self.found.overload:10.3f}  {self.seconds:7.1f}"
            + "".join(
                f"  {100 * one.share:8.2f} ({100 * one.least:.1f} to {100 * one.most:.1f})" for one in self.covered
            )
        )


LEVELS = (0.95, 0.99)
HORIZONS = (60, 360)
HEADER = (
    f"{'trace':24s} lead  {'policy':28s} gap % cl.       J   pods  overload %  seconds  "
    "coverage % at 95 and 99 (least to most of any week)"
)


def main(
    traces: Annotated[Path, typer.Argument(help="Folder of CSV files (.gz too), or one.")],
    leads: Annotated[str, typer.Option(help="Minutes, with commas.")] = "2,5,10",
    rivals: Annotated[
        str, typer.Option(help=f"Beside ours, with commas: {', '.join(RIVALS)}; or none.")
    ] = "seasonal naive",
    jobs: Annotated[int, typer.Option(help="Histories side by side.")] = os.cpu_count() or 1,
    out: Annotated[Path | None, typer.Option(help="Also write the table here.")] = None,
) -> None:
    """Prints a table and means."""
    paths = sorted(traces.glob("*.csv*")) if traces.is_dir() else [traces]
    asked = [name for name in rivals.split(",") if name and name != "none"]
    tasks = [(path, int(lead), asked) for path in paths for lead in leads.split(",")]
    head = [f"{os.cpu_count()} cores, {jobs} at a time, price {PRICE:g}, second half scored", HEADER]
    print("\n".join(head), flush=True)
    lines: list[Line] = []
    for found in _done(tasks, jobs):
        lines += found
        print("\n".join(one.text() for one in found), flush=True)
    told = [*_means(lines), *_losses(paths, jobs)]
    print("\n".join(told))
    if out is not None:
        ordered = sorted(lines, key=lambda one: (one.trace, one.lead))
        out.write_text("\n".join([*head, *(one.text() for one in ordered), *told, ""]))


def _done(tasks: list[tuple[Path, int, list[str]]], jobs: int) -> Iterator[list[Line]]:
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(parallel(joblib.delayed(measure)(*one) for one in tasks), total=len(tasks))


def measure(path: Path, lead: int, rivals: list[str]) -> list[Line]:
    """All policies on one history with one lead."""
    file = read_history(path)
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    half, setting = scored(file, lead)
    began = time.perf_counter()
    options = RehearsalOptions(lead, 1, PRICE, setting.capacity_per_pod, file.delay_minutes)
    ours = rehearse(file.known, options, on_progress=lambda share: None)
    seconds = time.perf_counter() - began
    found = compare(ours.capacity[half:], setting, before=file.demand[:half])
    covered = tuple(coverage(file, ours.wanted, half=half, lead=lead, level=level) for level in LEVELS)
    lines = [
        Line(name, lead, "this project", found.gap_closed, found.forecast, seconds, covered),
        Line(name, lead, "best reactive in hindsight", 0.0, found.reactive, 0.0),
        _line(name, lead, "HPA at 70%", found.hpa, found),
        Line(name, lead, "perfect forecast", 1.0, found.perfect, 0.0),
    ]
    for rival in rivals:
        began = time.perf_counter()
        offered = RIVALS[rival](file, half, lead)
        seconds = time.perf_counter() - began
        best = min((score(one, setting) for one in offered), key=lambda one: one.cost)
        lines.append(_line(name, lead, rival, best, found, seconds))
    return lines


def scored(file: HistoryFile, lead: int) -> tuple[int, Setting]:
    """First minute of the second half, and what its policies share: a pod serves a PODS-th of the half's mean."""
    half = file.demand.size // 2
    return half, Setting(file.demand[half:], float(file.demand[half:].mean()) / PODS, lead, PRICE)


def _losses(paths: list[Path], jobs: int) -> Iterator[str]:
    """Weighted quantile loss of the path, over that of repeating yesterday."""
    parallel = joblib.Parallel(n_jobs=jobs)
    table = np.asarray(parallel(joblib.delayed(losses)(path) for path in paths))
    yield f"{'weighted quantile loss / yesterday':34s}" + "".join(f"  {minutes // 60} h ahead" for minutes in HORIZONS)
    for path, row in zip(paths, table, strict=True):
        yield f"  {path.name:32s}" + "".join(f"  {one:9.3f}" for one in row)
    yield f"  {'geometric mean':32s}" + "".join(f"  {one:9.3f}" for one in np.exp(np.log(table).mean(axis=0)))


def losses(path: Path) -> list[float]:
    """One row of the table of losses."""
    file = read_history(path)
    return [relative_wql(file, half=file.demand.size // 2, horizon=minutes) for minutes in HORIZONS]


def _line(name: str, lead: int, policy: str, one: Score, found: Comparison, seconds: float = 0.0) -> Line:
    gap = found.reactive.cost - found.perfect.cost
    return Line(name, lead, policy, (found.reactive.cost - one.cost) / gap if gap > 0 else float("nan"), one, seconds)


def _means(lines: list[Line]) -> Iterator[str]:
    table = pd.DataFrame([(one.policy, one.lead, one.gap_closed) for one in lines], columns=["policy", "lead", "gap"])
    yield "mean gap closed, % (least)"
    for policy, rows in table.groupby("policy", sort=False):
        each = ", ".join(
            f"lead {lead}: {100 * part.gap.mean():.1f} ({100 * part.gap.min():.1f})"
            for lead, part in rows.groupby("lead")
        )
        longer = rows[rows.lead >= 5].gap
        both = f"; leads 5 and 10: {100 * longer.mean():.1f}" if longer.size else ""
        yield f"  {policy:28s} {each}{both}"


if __name__ == "__main__":
    typer.run(main)
