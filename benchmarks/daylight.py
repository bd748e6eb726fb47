"""`make bench-daylight`: what it costs to take a load that follows local time for one that follows UTC.

Each recording is dated anew, so that its last week begins with the night in which Berlin changed its clocks, and its
people live by that clock: the hour that is skipped is left out, the hour that is repeated is passed twice. The same
recording is then replayed by the clock of Berlin and by UTC, and scored over the week after the change.
"""

import os
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import typer

from app.inquiries import WhatIfTerms
from app.pipeline.whatif import what_if
from app.sources.history_file import MINUTE_SECONDS, HistoryFile, read_history
from models.local_time import local_offsets_seconds
from models.series import Series

ZONE = "Europe/Berlin"
CHANGES = {"forward": 1_774_746_000, "back": 1_792_890_000}  # 29 March and 25 October 2026, 1:00 UTC
_DAY, _HOUR = 86_400 // MINUTE_SECONDS, 60
_AFTER_DAYS, _LEAST_BEFORE_DAYS, _BEFORE_DAYS = 7, 6, 28


def main(
    traces: Annotated[Path, typer.Argument(help="Folder of CSV files (.gz too) with a step of a minute.")],
    lead: Annotated[int, typer.Option(help="Minutes that a new pod needs.")] = 5,
    jobs: Annotated[int, typer.Option(help="Histories side by side.")] = os.cpu_count() or 1,
) -> None:
    """Prints the gap closed in the week after the clocks were changed."""
    files = [read_history(path) for path in sorted(traces.glob("*.csv*"))]
    files = [one for one in files if one.demand.size >= (_LEAST_BEFORE_DAYS + _AFTER_DAYS + 1) * _DAY]
    asked = [(file, change, zone) for file in files for change in CHANGES for zone in ("UTC", ZONE)]
    parallel = joblib.Parallel(n_jobs=jobs)
    table = np.asarray(parallel(joblib.delayed(gap_closed)(*one, lead) for one in asked)).reshape(len(files), -1)
    print(f"{os.cpu_count()} cores, lead {lead} min; gap closed in % in the week after the clocks were put ...")
    titles = [f"{change}, by {zone}" for _, change, zone in asked[: table.shape[1]]]
    print(f"{'trace':24s}" + "".join(f"  {one:>26s}" for one in titles))
    names = [*(one.name.split(".")[0] for one in files), "mean"]
    for name, row in zip(names, [*table, table.mean(axis=0)], strict=True):
        print(f"{name:24s}" + "".join(f"  {100 * one:26.1f}" for one in row))


def gap_closed(file: HistoryFile, change: str, zone: str, lead: int) -> float:
    """In the week after, by a replay on the clock of `zone`."""
    moved, first = lived_through(file, CHANGES[change])
    terms = WhatIfTerms(lead_minutes=lead, time_zone=zone)
    return what_if(moved, terms, first=first, on_progress=lambda share: None).comparison.gap_closed


def lived_through(file: HistoryFile, change_s: int) -> tuple[HistoryFile, int]:
    """The recording's last weeks by Berlin's clock, and the minute of the change.

    Its midnights become those of Berlin; the clocks change in the first of its last seven days.
    """
    midnights = np.flatnonzero(file.known.times_s % 86_400 == 0)
    sunday = int(midnights[midnights + (_AFTER_DAYS * _DAY + _HOUR) <= file.demand.size][-1])
    days = min(_BEFORE_DAYS, sunday // _DAY)
    local_s = change_s // 86_400 * 86_400 - days * 86_400  # midnight of the first day, as its clock shows it
    (offset_s,) = local_offsets_seconds(np.asarray([local_s]), ZONE).tolist()
    times_s = local_s - offset_s + MINUTE_SECONDS * np.arange((days + _AFTER_DAYS) * _DAY, dtype=np.int64)
    passed = times_s + local_offsets_seconds(times_s, ZONE) - local_s
    place = sunday - days * _DAY + passed // MINUTE_SECONDS
    known = Series(int(times_s[0]), MINUTE_SECONDS, file.known.values[:, place])
    moved = HistoryFile(file.name, known, file.demand[place], file.delay_minutes)
    return moved, (change_s - int(times_s[0])) // MINUTE_SECONDS


if __name__ == "__main__":
    typer.run(main)
