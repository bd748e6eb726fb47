"""How well parts of a load are divided: what is shipped beside the last value's proportions and other reconciliations.

A server's tools are played by recorded loads, brought to one grid of five minutes with the weights of WEIGHTS; no
recording of tools could be had. The whole is forecast by its season; every half hour of the last three days it is
divided for the six hours ahead. Printed is the sum of absolute errors over the sum of the part's load: less is better.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from app.planning.rollup import RECENT_SECONDS, adding_up, shares_ahead
from app.sources.history_file import read_history
from models.forecasters.seasonal_profile import SeasonalProfile
from models.series import Series
from models.synthetic import daily, with_weekend

STEP, DAY = 300, 86_400
DAYS, JUDGED_DAYS, AHEAD_STEPS, EVERY_STEPS, REFIT_STEPS = 14, 3, 72, 6, 36
WEIGHTS = np.asarray([3.0, 2.0, 1.5, 1.0, 0.5])
TRACES = ("nab_nyc_taxi", "nasa_http", "servegen_llm_mid", "nab_tweets_amzn", "servegen_client_small")
MONDAY_S = 4 * DAY

_Floats = NDArray[np.float64]
Divide = Callable[["Scene"], _Floats]


class Scene:
    """What is known at one time: recent (parts, hour), expected (parts, ahead), whole (ahead,), variance (parts,)."""

    def __init__(self, recent: _Floats, expected: _Floats, whole: _Floats, variance: _Floats) -> None:
        self.recent, self.expected, self.whole, self.variance = recent, expected, whole, variance


def _of_last(scene: Scene) -> _Floats:
    return np.tile(scene.recent[:, -1:], (1, scene.whole.size))


def _of_variance(scene: Scene) -> _Floats:
    """Minimum trace with a diagonal, the whole being fixed: what is missing is given out by variance."""
    missing = scene.whole - scene.expected.sum(axis=0)
    shares = (scene.variance / scene.variance.sum())[:, None]
    return np.maximum(scene.expected + shares * missing, 0)


DIVISIONS: Mapping[str, Divide] = {
    "last value": _of_last,
    "last hour": lambda scene: np.tile(scene.recent.mean(axis=1, keepdims=True), (1, scene.whole.size)),
    "forecast proportions": lambda scene: scene.expected,
    "variance (minimum trace)": _of_variance,
    "as shipped": lambda scene: shares_ahead(scene.recent.mean(axis=1), scene.expected, step_seconds=STEP).astype(
        np.float64
    ),
}


def recorded(folder: Path) -> Series:
    """The traces as parts, each from its first Monday on, two weeks long, their means at WEIGHTS times ten."""
    rows = []
    for name in TRACES:
        history = read_history(folder / f"{name}.csv.gz")
        minutes, start_s = history.demand, history.known.start_s
        skip = -(start_s - MONDAY_S) % (7 * DAY) // 60
        if minutes.size - skip < (DAYS - 1) * DAY // 60:  # shorter than two weeks from a Monday on: from midnight
            skip = -start_s % DAY // 60
        values = (
            np.resize(minutes[skip : skip + DAYS * DAY // 60], DAYS * DAY // 60).reshape(-1, STEP // 60).mean(axis=1)
        )
        rows.append(values / values.mean())
    return Series(MONDAY_S, STEP, (np.stack(rows) * 10 * WEIGHTS[:, None]).astype(np.float32))


def synthetic(*, swing: float, weekend: float) -> Series:
    """Five days with phases of their own and noise of a fifth."""
    made = daily(
        np.random.default_rng(1), workloads=5, days=DAYS, step_seconds=STEP, swing=swing, noise=0.2, start_s=MONDAY_S
    )
    made = with_weekend(made, factor=weekend)
    return Series(made.start_s, STEP, made.values * WEIGHTS[:, None].astype(np.float32))


def errors(parts: Series) -> dict[str, _Floats]:
    """Of each division: (parts + 1,), the last one of all parts together."""
    whole = Series(parts.start_s, STEP, parts.values.sum(axis=0, keepdims=True))
    missed = {name: np.zeros(parts.workloads) for name in DIVISIONS}
    load = np.zeros(parts.workloads)
    begin = parts.steps - JUDGED_DAYS * DAY // STEP
    for origin in range(begin, parts.steps - AHEAD_STEPS, EVERY_STEPS):
        if (origin - begin) % REFIT_STEPS == 0:
            models = [SeasonalProfile().fit(_until(one, origin)) for one in (parts, whole)]
        came = parts.values[:, origin + 1 : origin + 1 + AHEAD_STEPS].astype(np.float64)
        load += came.sum(axis=1)
        known = _until(parts, origin)
        expected, total = (
            np.maximum(
                model.level(_until(one, origin).tail(13))[:, -1:]
                * model.profile(start_s=known.last_s + STEP, steps=AHEAD_STEPS),
                0,
            ).astype(np.float64)
            for model, one in zip(models, (parts, whole), strict=True)
        )
        recent = known.tail(RECENT_SECONDS // STEP).values.astype(np.float64)
        scene = Scene(recent, expected, total[0], known.values.var(axis=1, dtype=np.float64))
        for name, divide in DIVISIONS.items():
            missed[name] += np.abs(adding_up(scene.whole, divide(scene)) - came).sum(axis=1)
    return {name: np.append(each / load, each.sum() / load.sum()) for name, each in missed.items()}


def _until(series: Series, column: int) -> Series:
    return Series(series.start_s, STEP, series.values[:, : column + 1])


def main(words: list[str]) -> int:
    """Prints a table for each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path, help="folder of recorded loads at one minute")
    loads = {
        "recorded": recorded(parser.parse_args(words).traces),
        "synthetic, days": synthetic(swing=0.8, weekend=0.5),
        "synthetic, no season": synthetic(swing=0.0, weekend=1.0),
    }
    for name, parts in loads.items():
        table = Table(title=f"{name}: error of each part")
        heads = TRACES if name == "recorded" else [f"part {place + 1}" for place in range(parts.workloads)]
        for head in ("divided by", *heads, "all"):
            table.add_column(head)
        for division, found in errors(parts).items():
            table.add_row(division, *(f"{value:.3f}" for value in found))
        Console(width=140).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
