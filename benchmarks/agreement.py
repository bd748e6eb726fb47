"""`make bench-agreement`: does another program find the same costs, on the very capacities that were scored here?

`bench-forecast --tool` asks it about the forecast itself; by itself this asks about the newest number with some head
room, which takes seconds. The program is called as
`TOOL TRACE --policy NAME=CAPACITIES.csv --lead MINUTES --kappa PRICE --pods PODS --json`. For each policy it prints J,
pods and overload; with "tolerance 0" in the name for the law without a tolerance.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from app.planning.score import Comparison, Score, Setting, compare
from app.sources.history_file import HistoryFile, read_history

PODS = 20
PRICE = 20.0

_POLICY = "forecast"
_HEAD_ROOM = 1.2
_REACTIVE = {"newest number": "reactive", "mean of 5 minutes": "reactive rate[5m]"}


def main(
    tool: Annotated[Path, typer.Argument(help="The independent scorer.")],
    traces: Annotated[Path, typer.Argument(help="Folder of CSV files (.gz too) with a step of a minute.")],
    leads: Annotated[str, typer.Option(help="Minutes, with commas.")] = "2,5,10",
) -> None:
    """Prints the largest difference for each trace and lead."""
    minutes = [int(lead) for lead in leads.split(",")]
    print(f"{'trace':24s}" + "".join(f"  lead {lead:3d}" for lead in minutes))
    for path in sorted(traces.glob("*.csv*")):
        found = [of_reacting(tool, path, lead) for lead in minutes]
        print(f"{path.name.split('.')[0]:24s}" + "".join(f"  {one:8.1e}" for one in found), flush=True)


def scored(file: HistoryFile, lead: int) -> tuple[int, Setting]:
    """First minute of the second half, and what its policies share: a pod serves a PODS-th of the half's mean."""
    half = file.demand.size // 2
    return half, Setting(file.demand[half:], float(file.demand[half:].mean()) / PODS, lead, PRICE)


def of_reacting(tool: Path, trace: Path, lead: int) -> float:
    """The largest difference where the newest number with some head room is asked for."""
    file = read_history(trace)
    half, setting = scored(file, lead)
    found = compare(_HEAD_ROOM * file.demand[half - 1 : -1], setting, before=file.demand[:half])
    return disagreement(tool, trace, file, lead=lead, found=found)


def disagreement(tool: Path, trace: Path, file: HistoryFile, *, lead: int, found: Comparison) -> float:
    """Largest difference in J, pods and overload of the forecast, the best reactive policy and the perfect forecast.

    Raises subprocess.CalledProcessError where the tool fails.
    """
    told = _told(tool, trace, file, found, lead=lead)
    pairs = (
        (found.forecast, told[f"{_POLICY} (tolerance 0)"]),
        (found.reactive, told[_REACTIVE[found.best_target.split(" at ")[0]]]),
        (found.perfect, told["perfect forecast"]),
    )
    return max(_apart(one, other) for one, other in pairs)


def _told(tool: Path, trace: Path, file: HistoryFile, found: Comparison, *, lead: int) -> dict[str, dict[str, float]]:
    wanted = found.wanted["forecast"]
    times = pd.to_datetime(file.known.times_s, unit="s", utc=True).strftime("%Y-%m-%dT%H:%M:%SZ")
    first = len(times) - wanted.size
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "capacities.csv"
        pd.DataFrame({"timestamp": times[first:], "capacity": wanted}).to_csv(policy, index=False)
        options = [f"--lead={lead}", f"--kappa={PRICE:g}", f"--pods={PODS}", "--json"]
        command = [sys.executable, str(tool), str(trace), "--policy", f"{_POLICY}={policy}", *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, dict[str, float]] = json.loads(done.stdout)
    return told


def _apart(one: Score, other: dict[str, float]) -> float:
    ours = np.asarray([one.cost, one.pods, one.overload])
    return float(np.abs(ours - [other["J"], other["pods"], other["overload"]]).max())


if __name__ == "__main__":
    typer.run(main)
