"""`make bench-ceiling`: how much of the gap could be closed by somebody who knew the future but for its fast noise?

A forecast of demand knows at best how the load will run; what no history can tell is the noise around that. Here the
load that is going to come is known, smoothed by a Gaussian around each minute, and what is asked for is its largest
value until a new pod would be ready, plus a margin: in units of the noise, growing as the load or as its root,
whichever is best in hindsight. Nothing of this is a forecast. It is a bound for reading `bench-forecast`: what lies
above it needs the noise itself foretold.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from app.planning.replay import lookahead_maximum
from app.planning.score import compare, scores
from app.sources.history_file import read_history
from benchmarks.agreement import scored

MARGINS = tuple(float(one) for one in np.arange(0, 3.1, 0.25))

_Floats = NDArray[np.float64]


def main(
    traces: Annotated[Path, typer.Argument(help="Folder of CSV files (.gz too) with a step of a minute.")],
    leads: Annotated[str, typer.Option(help="Minutes, with commas.")] = "5,10",
    smoothed: Annotated[str, typer.Option(help="Standard deviations in minutes, with commas.")] = "5,10,15",
) -> None:
    """Prints the gap closed for each load, lead and smoothing."""
    minutes = [int(one) for one in leads.split(",")]
    widths = [float(one) for one in smoothed.split(",")]
    print("gap closed in %, the load to come known but for what is faster than a Gaussian of so many minutes")
    print(f"{'trace':24s}" + "".join(f"  {width:4g} min, lead {lead:2d}" for width in widths for lead in minutes))
    table = []
    for path in sorted(traces.glob("*.csv*")):
        row = [bound(path, lead, width) for width in widths for lead in minutes]
        table.append(row)
        print(f"{path.name.split('.')[0]:24s}" + "".join(f"  {100 * one:17.1f}" for one in row), flush=True)
    print(f"{'mean':24s}" + "".join(f"  {100 * one:17.1f}" for one in np.mean(table, axis=0)))


def bound(path: Path, lead: int, width_minutes: float) -> float:
    """Gap closed over the second half, with the best of all margins."""
    file = read_history(path)
    half, setting = scored(file, lead)
    course = gaussian_filter1d(file.demand, width_minutes)
    ahead = lookahead_maximum(course[None], np.asarray([lead]))[0][half:]
    noise = (file.demand - course)[half:]
    asked = np.stack([_asked(ahead, noise, course[half:], power, margin) for power in (0.5, 1.0) for margin in MARGINS])
    best = min(scores(asked, setting), key=lambda one: one.cost)
    return compare(ahead, setting, before=file.demand[:half]).closed_by(best)


def _asked(ahead: _Floats, noise: _Floats, course: _Floats, power: float, margin: float) -> _Floats:
    """The noise grows with the load to the power."""
    unit = np.maximum(course, 1e-9) ** power
    spread = float(np.sqrt(np.mean((noise / unit) ** 2)))
    result: _Floats = ahead + margin * spread * np.maximum(ahead, 0) ** power
    return result


if __name__ == "__main__":
    typer.run(main)
