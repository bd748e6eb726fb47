"""`make bench-constants`: is the forecast good because its constants were chosen on the very histories it is shown on?

The constants of the mixture are chosen for each history on the others (leave one out): the set with the best mean gap
closed there. The experts' own constants are the same for all. Nothing here is trusted or not, as in `replay`: it is
the mixture alone, with the lasting demand as its least, over the second half.
"""

import os
from pathlib import Path
from typing import Annotated

import joblib
import numpy as np
import typer
from numpy.typing import NDArray

from app.planning.capacity import lasting, lasting_steps
from app.planning.replay import STABILIZATION_SECONDS
from app.planning.score import compare
from app.sources.history_file import MINUTE_SECONDS, read_history
from benchmarks.agreement import PRICE, scored
from models.decision import Terms, fit_decision
from models.experts.registry import CAREFUL, rosters
from models.memory import Memory
from models.mixture import Learning
from models.rolling import carried_forward

CHOICES = (
    Learning(),
    Learning(half_lives_minutes=(720.0, 1_440.0, 4_320.0)),
    Learning(half_lives_minutes=(2_880.0, 10_080.0), upper_half_life_minutes=10_080.0),
    Learning(half_lives_minutes=(1_440.0, 4_320.0, 20_160.0)),
    Learning(upper_half_life_minutes=5_760.0),
    Learning(upper_rate=0.03),
    Learning(upper_rate=0.3, rates=(0.01, 0.03, 0.1, 0.3, 1.0)),
    Learning(rates=(0.1,)),
)
_KEPT_BYTES = 2_000_000_000
_Floats = NDArray[np.float64]


def main(
    traces: Annotated[Path, typer.Argument(help="Folder of CSV files (.gz too).")],
    leads: Annotated[str, typer.Option(help="Minutes, with commas.")] = "5,10",
    jobs: Annotated[int, typer.Option(help="Histories side by side.")] = os.cpu_count() or 1,
) -> None:
    """Prints the gap closed with each choice, and with the one chosen on the other histories."""
    paths = sorted(traces.glob("*.csv*"))
    minutes = [int(one) for one in leads.split(",")]
    parallel = joblib.Parallel(n_jobs=jobs)
    found = parallel(joblib.delayed(gaps)(path, lead) for path in paths for lead in minutes)
    table = np.asarray(found).reshape(len(paths), len(minutes), len(CHOICES)).mean(axis=1)  # (histories, choices)
    print(f"{os.cpu_count()} cores, price {PRICE:g}, gap closed in %, mean of leads {leads}; choices:")
    print("\n".join(f"  {number}: {choice}" for number, choice in enumerate(CHOICES)))
    total, chosen = table.sum(axis=0), []
    for path, row in zip(paths, table, strict=True):
        best = int(np.argmax(total - row))
        chosen.append(row[best])
        each = " ".join(f"{100 * one:6.1f}" for one in row)
        print(f"{path.name:32s} {each}  chosen on the others: {best} -> {100 * row[best]:.1f}")
    print(f"{'mean':32s} " + " ".join(f"{100 * one:6.1f}" for one in table.mean(axis=0)) + f"  {np.mean(chosen):.1%}")


def gaps(path: Path, lead: int) -> list[float]:
    """Gap closed on one history with each choice."""
    file = read_history(path)
    half, setting = scored(file, lead)
    one, ahead = np.ones(1), lead + file.delay_minutes
    hold = np.asarray([STABILIZATION_SECONDS // MINUTE_SECONDS])
    terms = Terms(np.asarray([ahead + 1]), PRICE * one, setting.capacity_per_pod * one, hold)
    newest = carried_forward(file.known.values).astype(np.float64)
    least = lasting(newest, lasting_steps(terms.window_steps - 1, step_seconds=MINUTE_SECONDS))[0]
    memory, result = Memory(_KEPT_BYTES), []
    for choice in CHOICES:
        _, wanted = fit_decision(
            file.known,
            terms,
            hold_out_steps=file.demand.size - half,
            roster=rosters()[CAREFUL],
            memory=memory,
            learning=choice,
        )
        asked = np.fmax(wanted[0, -(file.demand.size - half) :], least[half:])
        capacity = np.concatenate([least[half - 1 : half], asked[:-1]])  # decided a minute before
        result.append(compare(capacity, setting, before=file.demand[:half]).gap_closed)
    return result


if __name__ == "__main__":
    typer.run(main)
