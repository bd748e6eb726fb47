"""Zero is served only where nothing is expected, and a pod is asked for before work comes."""

from typing import Any

import numpy as np
import pytest

from app.planning.arrivals import LOOKED_AT_DAYS, Rhythm, between_batches, chance_of_work
from app.planning.capacity import Recommendation
from app.reasons import Reason

CAPACITY = 10.0
LEVEL = 20 / 21


def worked(*days: int, known: int = 42) -> np.ndarray:
    """Work on these days, counted backwards; nothing is known beyond `known`."""
    row = [np.nan if day > known else float(day in days) for day in LOOKED_AT_DAYS]
    return np.asarray([row])


def weekdays(today: int) -> list[int]:
    """Days back that were Monday to Friday, if today is that weekday (Monday is 0)."""
    return [day for day in LOOKED_AT_DAYS if (today - day) % 7 < 5]


@pytest.mark.parametrize(
    ("history", "chance"),
    [
        (worked(*range(1, 43)), 1.0),
        (worked(), 0.0),
        (worked(1, known=1), 1.0),
        (worked(1, 2, 3), 3 / 7),  # a batch that is three days old
        (worked(7, 14, 21, 28, 35, 42), 1.0),  # once a week
        (worked(4), 1 / 7),  # by hand, once
        (worked(*weekdays(today=5)), 0.0),  # on a Saturday
        (worked(*weekdays(today=0)), 1.0),  # on a Monday
        (worked(*weekdays(today=5), known=6), 5 / 6),  # on the first Saturday nobody knows better
    ],
)
def test_the_chance_of_work_is_its_share_of_days_or_weeks(history: np.ndarray, chance: float) -> None:
    assert chance_of_work(history)[0] == pytest.approx(chance)


def test_of_nothing_known_there_is_no_chance() -> None:
    assert np.isnan(chance_of_work(worked(known=0))[0])


def advice(served: float, *, reason: Reason = Reason.FORECAST_ACTS, acting: bool = True) -> Recommendation:
    value = np.asarray([served])
    return Recommendation(value, load=value, asked=value, acting=np.asarray([acting]), reason=(str(reason),))


def between(
    given: Recommendation, history: np.ndarray, *, demand: float = 0.0, planned: bool = False, **changes: Any
) -> tuple[float, bool, str]:
    rhythm = Rhythm(history, np.asarray([planned]), np.asarray([changes.pop("applies", True)]))
    numbers = {"level": LEVEL, "capacity_per_pod": CAPACITY, "maximum": np.inf, **changes}
    found = between_batches(
        given, rhythm, demand=np.asarray([demand]), **{name: np.asarray([value]) for name, value in numbers.items()}
    )
    return float(found.served[0]), bool(found.acting[0]), found.reason[0]


def test_with_nothing_expected_exactly_zero_is_served_whatever_the_mixture_says() -> None:
    assert between(advice(3.7), worked()) == (0.0, True, Reason.NOTHING_EXPECTED)


def test_before_work_one_pod_is_asked_for() -> None:
    given = advice(0.0, reason=Reason.REACTING_IS_CHEAPER, acting=False)
    assert between(given, worked(*range(1, 43))) == (CAPACITY, True, Reason.WORK_EXPECTED)


def test_a_forecast_of_more_than_one_pod_stays() -> None:
    assert between(advice(35.0), worked(*range(1, 43))) == (35.0, True, Reason.FORECAST_ACTS)


def test_work_that_is_there_gets_a_pod_at_once_however_little_it_is() -> None:
    given = advice(0.0, reason=Reason.DEMAND_ABOVE_FORECAST, acting=False)
    assert between(given, worked(), demand=0.5) == (CAPACITY, False, Reason.DEMAND_ABOVE_FORECAST)


def test_not_knowing_is_not_knowing_of_nothing() -> None:
    given = advice(0.0, reason=Reason.LEARNING, acting=False)
    assert between(given, worked(known=0)) == (CAPACITY, False, Reason.LEARNING)


def test_an_event_of_the_calendar_is_work() -> None:
    assert between(advice(0.0), worked(), planned=True) == (CAPACITY, True, Reason.WORK_EXPECTED)


def test_a_price_decides_from_which_chance_on_a_pod_waits() -> None:
    once = worked(4)
    assert between(advice(0.0), once, level=20 / 21)[2] == Reason.WORK_EXPECTED
    assert between(advice(0.0), once, level=5 / 6)[2] == Reason.NOTHING_EXPECTED


def test_a_drop_that_is_held_is_not_taken_for_the_end_of_work() -> None:
    given = advice(80.0, reason=Reason.HOLDING_AFTER_DROP, acting=False)
    assert between(given, worked()) == (80.0, False, Reason.HOLDING_AFTER_DROP)


@pytest.mark.parametrize("demand", [np.nan, 0.0])
def test_what_is_not_served_does_not_become_zero(demand: float) -> None:
    given = advice(np.nan, reason=Reason.NO_DATA, acting=False)
    served, acting, reason = between(given, worked(), demand=demand)
    assert np.isnan(served)
    assert (acting, reason) == (False, Reason.NO_DATA)


def test_without_the_block_nothing_changes() -> None:
    assert between(advice(3.7), worked(), applies=False) == (3.7, True, Reason.FORECAST_ACTS)


def test_one_pod_is_never_more_than_the_maximum() -> None:
    assert between(advice(0.0), worked(*range(1, 43)), maximum=4.0)[0] == 4.0
