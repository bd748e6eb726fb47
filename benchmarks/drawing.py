"""`make bench-pictures`: what the forecast saves, from results that were kept, and a replay of the bundled sample.

The first picture needs the folder that `bench-forecast --kept` filled; the second one only what is bundled.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import joblib
import matplotlib.dates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import typer

import app
from app.inquiries import WhatIfTerms
from app.pipeline.whatif import curves, names, what_if
from app.samples import HISTORY
from app.sources.history_file import read_history
from benchmarks.policies import OURS, Measured

DRAWN = (OURS, "LightGBM", "MSTL", "AutoETS", "seasonal naive")
LEADS = (5, 10)

_COLOURS = ("#1f6feb", "#8a63d2", "#d29922", "#57ab5a", "#9e9e9e")
_LEAST = -40.0  # per cent; what is below is as bad as it looks
_STRIDE = 5  # minutes to a point
_POINTS = 288  # a day
_PLAIN = {"svg.hashsalt": "forescale", "svg.fonttype": "none", "font.size": 9}


def main(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")],
    kept: Annotated[Path | None, typer.Option(help="What bench-forecast --kept wrote.")] = None,
) -> None:
    """Draws gap-closed.svg, where results were kept, and replay.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(_PLAIN):
        if kept is not None:
            found = [joblib.load(path) for path in sorted(kept.glob("*.joblib"))]
            draw_gaps(found, folder / "gap-closed.svg")
        draw_replay(Path(app.__file__).parent / "samples" / HISTORY, folder / "replay.svg")


def draw_gaps(found: Sequence[Measured], path: Path) -> None:
    """A group of bars for each history: gap closed by each policy, mean of the leads."""
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    width = 0.8 / len(DRAWN)
    for place, (policy, colour) in enumerate(zip(DRAWN, _COLOURS, strict=True)):
        heights = [100 * _mean_gap(one, policy) for one in found]
        heights.append(float(np.mean(heights)))
        where = np.arange(len(heights)) + (place - (len(DRAWN) - 1) / 2) * width
        axes.bar(where, np.maximum(heights, _LEAST), width, label=policy, color=colour)
    labels = [one.trace.replace("_", "\n") for one in found]
    axes.set_xticks(range(len(labels) + 1), [*labels, "mean"], fontsize=7)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylim(_LEAST, 100)
    axes.set_ylabel("gap closed, %")
    axes.set_title("0: the best way of reacting, in hindsight. 100: a perfect forecast", fontsize=9)
    axes.legend(ncols=len(DRAWN), frameon=False, fontsize=8, loc="upper left")
    _save(figure, path)


def _mean_gap(one: Measured, policy: str) -> float:
    return float(np.mean([line.gap_closed for line in one.lines if line.policy == policy and line.lead in LEADS]))


def draw_replay(history: Path, path: Path) -> None:
    """The last day of a replayed history: demand in pods, and what was ready reacting, with a forecast, and at best."""
    done = what_if(read_history(history), WhatIfTerms(lead_minutes=10, price=20.0), on_progress=lambda share: None)
    found, called = curves(done, points=-(-done.setting.demand.size // _STRIDE)), names(done)
    last = slice(-_POINTS, None)
    times = pd.to_datetime(found.times_s[last], unit="s", utc=True)
    figure, axes = plt.subplots(figsize=(9, 3.2), layout="constrained")
    axes.fill_between(times, found.demand[last], color="#d0d7de", label="demand, in pods", linewidth=0)
    for key, colour in (("reactive", "#d29922"), ("forecast", "#1f6feb"), ("perfect", "#57ab5a")):
        axes.step(times, found.ready[key][last], where="post", color=colour, linewidth=1, label=called[key])
    axes.set_ylabel("pods ready")
    axes.legend(frameon=False, fontsize=8)
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M"))
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    typer.run(main)
