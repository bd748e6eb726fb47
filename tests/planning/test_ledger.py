"""The ledger of each day: asked, used, needed, HPA-only and short, against a replay minute by minute."""

import numpy as np
import pytest

from app.planning.ledger import LEDGER, ledger
from app.planning.replay import judge
from app.pricing import economics

DAY = 1_440


def judged(demand: np.ndarray, required: np.ndarray, *, price: float = 20.0) -> np.ndarray:
    return judge(
        required=required[None],
        actual=demand[None],
        capacity_per_pod=np.ones(1),
        lead_steps=np.asarray([3]),
        price=np.asarray([price]),
        step_seconds=60,
        hold_steps=np.asarray([5]),
    ).daily


def of(table: np.ndarray, name: str) -> np.ndarray:
    found: np.ndarray = table[0, LEDGER.index(name)]
    return found


@pytest.fixture
def daily() -> tuple[np.ndarray, np.ndarray]:
    """Three days of a load of 2.5 with a surge to 10 at noon, and a forecast that knows of it."""
    minute = np.arange(3 * DAY + 1)
    demand = np.where((minute % DAY >= 720) & (minute % DAY < 780), 10.0, 2.5)
    ahead = np.asarray([demand[place : place + 5].max() for place in minute])
    return demand, ahead


def naive(demand: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """Pod-minutes asked for and short on the last day, step by step: five minutes' stabilization, three to be ready."""
    desired = np.ceil(wanted)
    asked = np.asarray([desired[max(0, step - 5) : step + 1].max() for step in range(len(desired))])
    ready = np.asarray([asked[max(0, step - 3) : step + 1].min() for step in range(len(asked))])
    short = np.maximum(demand - ready, 0)
    return float(asked[-DAY:].sum()), float(short[-DAY:].sum())


def test_each_column_is_what_a_replay_minute_by_minute_gives(daily: tuple[np.ndarray, np.ndarray]) -> None:
    demand, ahead = daily
    found = ledger(judged(demand, ahead), price=np.asarray([20.0]), modes=("Active",))
    served = demand[1:]
    by_hpa, hpa_short = naive(served, demand[:-1])
    perfect, _ = naive(served, np.asarray([served[place : place + 4].max() for place in range(len(served))]))
    asked, short = naive(served, ahead[:-1])
    last = {name: float(of(found, name)[-1]) for name in LEDGER}
    expected = (asked, by_hpa, perfect, short, hpa_short, float(served[-DAY:].sum()))
    assert tuple(last[name] for name in ("asked", "hpa_only", "needed", "short", "hpa_short", "used")) == pytest.approx(
        expected, rel=1e-5
    )
    assert last["short"] == 0 < last["hpa_short"]
    assert last["used"] < last["needed"] <= last["asked"]


def test_in_mode_auto_a_day_counts_for_the_forecast_only_if_it_was_trusted_when_it_began(
    daily: tuple[np.ndarray, np.ndarray],
) -> None:
    table = judged(*daily)
    found = ledger(table, price=np.asarray([20.0]), modes=("Auto",))
    assert of(found, "acted").tolist() == [0, 1, 1], "the first day is what trust is won on"
    assert of(found, "asked")[0] == of(found, "hpa_only")[0]
    assert of(found, "short").tolist() == pytest.approx([of(found, "hpa_short")[0], 0, 0])
    shadow = ledger(table, price=np.asarray([20.0]), modes=("Shadow",))
    assert of(shadow, "acted").tolist() == [0, 0, 0]
    assert (of(shadow, "asked") == of(shadow, "hpa_only")).all()


def test_a_day_that_was_not_replayed_has_no_numbers(daily: tuple[np.ndarray, np.ndarray]) -> None:
    demand, ahead = daily
    ahead[:DAY] = np.nan
    found = ledger(judged(demand, ahead), price=np.asarray([20.0]), modes=("Active",))
    assert np.isnan(found[0, :, 0]).all()
    assert np.isfinite(found[0, :, 1:]).all()


def test_the_doors_read_the_columns_that_are_written() -> None:
    assert economics.LEDGER == LEDGER
