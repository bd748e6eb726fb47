"""`make bench-policies`: the policy of each type on three recorded loads, beside an HPA that only reacts.

workload_types.py says what is compared. Servers of sessions also play their sessions: who is killed by scaling in, with
Kubernetes' behaviour and order, and with ours.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from app.planning.behaviour import asked_pods, kubernetes_default
from benchmarks.sessions import ScaleIn, play
from benchmarks.workload_types import KINDS, TARGET, Kind, Load, load_of, only_hpa, policies, wanted

ALL = ",".join(one.name for one in KINDS)
SESSIONS_PER_POD = 20
SESSION_DAYS = 14  # played, of the scored half
DRAINS = {  # how a pod of sessions goes: its behaviour, the minutes that it drains, who is chosen
    "HPA only, stopped after 30 s": ("default", ScaleIn(0, fewest=False)),
    "forecast, Kubernetes' scale-in, drained 10 min": ("quick", ScaleIn(10, fewest=False)),
    "the same, fewest sessions first": ("quick", ScaleIn(10, fewest=True)),
    "forecast, slow scale-in, drained 10 min": ("ours", ScaleIn(10, fewest=False)),
    "the same, fewest sessions first: the policy": ("ours", ScaleIn(10, fewest=True)),
}


def main(
    traces: Annotated[Path, typer.Argument(help="Folder of CSV files (.gz too) with a step of a minute.")],
    kinds: Annotated[str, typer.Option(help="Types, with commas.")] = ALL,
    jobs: Annotated[int, typer.Option(help="Loads side by side.")] = os.cpu_count() or 1,
    kept: Annotated[Path | None, typer.Option(help="Folder for replays; what is there is not replayed again.")] = None,
) -> None:
    """Prints two tables in Markdown."""
    chosen = [one for one in KINDS if one.name in kinds.split(",")]
    pairs = [(kind, trace) for kind in chosen for trace in kind.traces]
    print(f"{os.cpu_count()} cores, {jobs} at a time; HPA only / best reacting in hindsight / ours\n")
    print("| type | load | J | pod-hours | overload % | $ | pods removed |\n|---|---|---|---|---|---|---|")
    sessions: list[str] = []
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        tasks = (joblib.delayed(load_of)(kind, traces, trace, kept) for kind, trace in pairs)
        for (kind, trace), load in zip(pairs, progress.track(parallel(tasks), total=len(pairs)), strict=True):
            print(row(kind, trace, load), flush=True)
            sessions += session_rows(kind, trace, load) if kind.name == "stateful" else []
    if sessions:
        print("\n| load | how pods go | sessions begun | killed | pods removed | pod-hours, draining included |")
        print("|---|---|---|---|---|---|\n" + "\n".join(sessions))


def row(kind: Kind, trace: str, load: Load) -> str:
    """Of the first table."""
    found = policies(kind, load)
    each = [
        " / ".join(form.format(getattr(one, field) * scale) for one in found)
        for field, form, scale in (
            ("cost", "{:.3f}", 1),
            ("pod_minutes", "{:,.0f}", 1 / 60),
            ("overload", "{:.2f}", 100),
            ("money", "{:,.2f}", 1),
            ("removed", "{:,.0f}", 1),
        )
    ]
    return "| " + " | ".join([kind.name, trace, *each]) + " |"


def session_rows(kind: Kind, trace: str, load: Load) -> Iterator[str]:
    """Of the second table: the end of the scored half."""
    last = slice(-SESSION_DAYS * 1_440, None)
    active = np.round(load.needed[last] * SESSIONS_PER_POD).astype(np.int64)
    quick = replace(kind.behaviour, down=kubernetes_default().down)
    behaviours = {
        "default": (load.known / TARGET, only_hpa(kind)),
        "quick": (wanted(load), quick),
        "ours": (wanted(load), kind.behaviour),
    }
    for name, (which, scale_in) in DRAINS.items():
        pods, behaviour = behaviours[which]
        asked = asked_pods(pods, [behaviour], step_seconds=60)[0][last].astype(np.int64)
        rng = np.random.default_rng(1)
        done = play(active, asked, lead_minutes=kind.lead_minutes, scale_in=scale_in, rng=rng)
        hours = (asked.sum() + done.draining_pod_minutes) / 60
        yield f"| {trace} | {name} | {done.begun:,} | {done.killed:,} | {done.removed_pods:,} | {hours:,.0f} |"


if __name__ == "__main__":
    typer.run(main)
