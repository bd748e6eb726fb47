"""A period found in the data: what is taken for one, and that its surges are foreseen."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.experts.base import Window
from models.experts.periodic import FittedPeriodic, Periodic
from models.series import Series

START_S = 1_767_225_600
DAY = 1_440
WINDOW = Window(lead=6, hold=5)


def surges(*, period: int, days: int = 7, noise: float = 0.1, seed: int = 1) -> NDArray[np.float32]:
    """Ten, and forty for four minutes of each period, with noise."""
    minute = np.arange(days * DAY)
    load = np.where(minute % period < 4, 40.0, 10.0)
    return (load * np.random.default_rng(seed).normal(1, noise, minute.size)).astype(np.float32)


def fitted(values: NDArray[np.float32]) -> FittedPeriodic:
    return Periodic().fit(Series(START_S, 60, values[None]), window=WINDOW)


@pytest.mark.parametrize("period", [17, 60, 95, 430])
def test_the_period_is_found_and_not_its_multiple(period: int) -> None:
    assert fitted(surges(period=period)).periods.tolist() == [period]


def test_each_workload_has_its_own() -> None:
    panel = np.stack([surges(period=50), surges(period=130)])
    found = Periodic().fit(Series(START_S, 60, panel), window=WINDOW)
    assert found.periods.tolist() == [50, 130]


@pytest.mark.parametrize("kind", ["noise", "day", "constant", "young", "one burst"])
def test_what_does_not_recur_within_half_a_day_has_none(kind: str) -> None:
    rng, minute = np.random.default_rng(2), np.arange(7 * DAY)
    values = {
        "noise": rng.gamma(2, 5, minute.size),
        "day": 20 + 10 * np.sin(2 * np.pi * minute / DAY) + rng.normal(0, 1, minute.size),
        "constant": np.full(minute.size, 5.0),
        "young": surges(period=50, days=3),
        "one burst": np.where((minute > 5_000) & (minute < 5_090), 50.0, 10.0),
    }[kind]
    found = fitted(values.astype(np.float32))
    assert found.periods.tolist() == [0]
    seen = Series(START_S, 60, values[None].astype(np.float32))
    assert np.isnan(found.candidates(seen, first=seen.steps - 10)).all()


def test_a_surge_is_asked_for_before_it_begins() -> None:
    values = surges(period=50, days=8)
    model, begin = fitted(values[: 7 * DAY]), 7 * DAY + 20  # the next surge: 7 * 1440 = 50 * 201 + 30
    seen = Series(START_S, 60, values[None])
    asked = model.candidates(seen, first=begin)[0, 0, : 2 * 50]
    demand = values[begin:]
    foreseen = np.array([demand[now + 1 : now + 1 + WINDOW.lead].max() for now in range(asked.size)])
    assert (asked[foreseen > 30] > 30).mean() > 0.95
    assert (asked[(foreseen < 20) & (demand[: asked.size] < 20)] < 20).mean() > 0.95


def test_nothing_is_read_from_the_future() -> None:
    values = surges(period=50, days=8)
    model, first, cut = fitted(values[: 7 * DAY]), 7 * DAY, 7 * DAY + 500
    whole = model.candidates(Series(START_S, 60, values[None]), first=first)
    short = model.candidates(Series(START_S, 60, values[None, :cut]), first=first)
    assert whole[:, :, : cut - first].tobytes() == short.tobytes()
