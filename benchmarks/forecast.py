"""`make bench-forecast`: what the forecast saves on recorded loads, beside reacting and beside well-known forecasters.

policies.py says how each is scored. Coverage is that of the tracked limit of the window's largest demand; the weighted
quantile loss is that of the path's quantiles over that of repeating yesterday.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.agreement import PRICE
from benchmarks.policies import HORIZONS, LEVELS, OURS, Line, Measured, measure, trace_name
from benchmarks.rivals import RIVALS

HEADER = (
    f"{'trace':24s} lead  {'policy':28s} gap % cl.       J   pods  overload %  seconds"
    + "".join(f"  {f'cov. {100 * level:g} %':>8s} (any week)   " for level in LEVELS)
    + "".join(f"  WQL {minutes // 60} h" for minutes in HORIZONS)
)

_NEAR = {0.95: 0.01, 0.99: 0.005}  # of the level, over the scored half
_NEAR_IN_A_WEEK = 0.02


def main(
    traces: Annotated[Path, typer.Argument(help="Folder of CSV files (.gz too), or one.")],
    leads: Annotated[str, typer.Option(help="Minutes, with commas.")] = "2,5,10",
    rivals: Annotated[str, typer.Option(help="Beside ours, with commas; or none.")] = ",".join(RIVALS),
    jobs: Annotated[int, typer.Option(help="Histories side by side.")] = os.cpu_count() or 1,
    out: Annotated[Path | None, typer.Option(help="Also write the table here.")] = None,
    kept: Annotated[
        Path | None, typer.Option(help="Folder for each history's result; what is there is not measured again.")
    ] = None,
    tool: Annotated[
        Path | None, typer.Option(help="An independent scorer (see agreement.py) whose figures are compared with ours.")
    ] = None,
) -> None:
    """Prints a table, means, how far coverage is off, and how far the independent scorer is."""
    paths = sorted(traces.glob("*.csv*"), key=lambda one: -one.stat().st_size) if traces.is_dir() else [traces]
    asked = [name for name in rivals.split(",") if name and name != "none"]
    minutes = [int(lead) for lead in leads.split(",")]
    print("\n".join(head := [f"{os.cpu_count()} cores, {jobs} at a time, price {PRICE:g}, second half scored", HEADER]))
    found: list[Measured] = []
    for done in _done(paths, minutes, asked, tool, kept, jobs):
        found.append(done)
        print("\n".join(text(one) for one in done.lines), flush=True)
    found.sort(key=lambda one: one.trace)
    lines = [line for one in found for line in one.lines]
    told = [*_means(lines), *_honesty(lines), *_losses(lines), *_agreement(found)]
    print("\n".join(told))
    if out is not None:
        out.write_text("\n".join([*head, *(text(one) for one in lines), *told, ""]))


def _done(
    paths: list[Path], leads: list[int], rivals: list[str], tool: Path | None, kept: Path | None, jobs: int
) -> Iterator[Measured]:
    """The longest histories first, so that no core waits at the end."""
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    tasks = (joblib.delayed(_measured)(path, leads, rivals, tool, kept) for path in paths)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(parallel(tasks), total=len(paths))


def _measured(path: Path, leads: list[int], rivals: list[str], tool: Path | None, kept: Path | None) -> Measured:
    place = None if kept is None else kept / f"{trace_name(path)}.joblib"
    if place is not None and place.exists():
        found: Measured = joblib.load(place)
        return found
    found = measure(path, leads, rivals, tool)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(found, place)
    return found


def text(line: Line) -> str:
    """A row of the table."""
    covered = "".join(
        f"  {100 * one.share:8.2f} ({100 * one.least:4.1f} - {100 * one.most:4.1f})" for one in line.covered
    )
    return (
        f"{line.trace:24s} {line.lead:4d}  {line.policy:28s} {100 * line.gap_closed:9.1f}  {line.found.cost:6.3f}  "
        f"{line.found.pods:5.3f}  {100 * line.found.overload:10.3f}  {line.seconds:7.1f}"
        + covered
        + "".join(f"  {one:7.3f}" for one in line.losses)
    )


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


def _honesty(lines: list[Line]) -> Iterator[str]:
    """On how many traces coverage is what it should be, with every lead."""
    ours = [one for one in lines if one.policy == OURS]
    traces = sorted({one.trace for one in ours})
    for place, level in enumerate(LEVELS):
        off = {trace: [one.covered[place] for one in ours if one.trace == trace] for trace in traces}
        half = sum(all(abs(one.share - level) <= _NEAR[level] for one in found) for found in off.values())
        week = sum(
            all(max(level - one.least, one.most - level) <= _NEAR_IN_A_WEEK for one in found) for found in off.values()
        )
        yield (
            f"coverage at {100 * level:g} %: within {100 * _NEAR[level]:g} points over the scored half on {half} of "
            f"{len(traces)}, within {100 * _NEAR_IN_A_WEEK:g} points in every trailing week on {week}"
        )


def _losses(lines: list[Line]) -> Iterator[str]:
    table = {one.trace: one.losses for one in lines if one.losses}
    means = np.exp(np.log(np.asarray(list(table.values()))).mean(axis=0))
    told = ", ".join(f"{minutes // 60} h ahead {mean:.3f}" for minutes, mean in zip(HORIZONS, means, strict=True))
    yield f"weighted quantile loss over that of repeating yesterday, geometric mean: {told}"


def _agreement(found: list[Measured]) -> Iterator[str]:
    told = {one.trace: one.apart for one in found if np.isfinite(one.apart)}
    if told:
        worst = max(told, key=lambda trace: told[trace])
        yield f"largest difference from the independent scorer: {told[worst]:.1e} ({worst}; {len(told)} traces)"


if __name__ == "__main__":
    typer.run(main)
