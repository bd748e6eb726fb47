"""Histories in memory are answered as Prometheus would, and never ahead of time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import QueryRejected
from app.sources.base import LabelledHistory
from app.sources.fixed import FixedSource
from models.series import RawHistory

FOREVER = float("inf")


def history(*samples: tuple[float, float], **labels: str) -> LabelledHistory:
    times, values = (np.array(column, dtype=np.float64) for column in zip(*samples, strict=True))
    return LabelledHistory(labels, RawHistory(times, values))


def values(source: FixedSource, *, start: int, end: int, step: int = 60) -> dict[float, float]:
    """Time -> value of the only series, {} if there is none."""
    series = source.range("load", start_s=start, end_s=end, step_seconds=step).series
    return dict(zip(series[0].history.times_s, series[0].history.values, strict=True)) if series else {}


MINUTES = history((0, 1), (60, 2), (120, 3), (240, 5))


def test_a_time_has_the_value_of_the_last_sample_before_it() -> None:
    source = FixedSource({"load": [MINUTES]}, now=lambda: FOREVER, lookback_seconds=60)
    assert values(source, start=0, end=120, step=30) == {0: 1, 30: 1, 60: 2, 90: 2, 120: 3}


def test_a_gap_stays_a_gap() -> None:
    source = FixedSource({"load": [MINUTES]}, now=lambda: FOREVER, lookback_seconds=60)
    assert values(source, start=-60, end=360) == {0: 1, 60: 2, 120: 3, 240: 5}


def test_nothing_later_than_now_is_revealed() -> None:
    now = 119.0
    source = FixedSource({"load": [MINUTES]}, now=lambda: now)
    assert values(source, start=0, end=240) == {0: 1, 60: 2}
    assert source.instant("load", at_s=120).series == ()
    now = 120.0
    assert values(source, start=0, end=240) == {0: 1, 60: 2, 120: 3}
    assert source.instant("load", at_s=120).series[0].history.values.tolist() == [3]


def test_an_instant_is_answered_at_its_time() -> None:
    source = FixedSource({"load": [MINUTES]}, now=lambda: FOREVER)
    (series,) = source.instant("load", at_s=130.5).series
    assert (series.history.times_s.tolist(), series.history.values.tolist()) == ([130.5], [3.0])


def test_a_series_without_a_number_at_that_time_is_absent() -> None:
    source = FixedSource(
        {"load": [history((0, 1), pod="old"), history((600, 2), pod="new")]}, now=lambda: FOREVER, lookback_seconds=60
    )
    assert [one.labels["pod"] for one in source.instant("load", at_s=610).series] == ["new"]


def test_samples_may_come_in_any_order_and_the_last_of_equal_times_counts() -> None:
    source = FixedSource({"load": [history((60, 2), (0, 9), (60, 3), (0, 1))]}, now=lambda: FOREVER)
    assert values(source, start=0, end=60) == {0: 1, 60: 3}
    many = FixedSource({"load": [history(*((k % 2 * 60, k) for k in range(100)))]}, now=lambda: FOREVER)
    assert values(many, start=0, end=60) == {0: 98, 60: 99}


def test_an_unknown_query_is_rejected_with_those_that_are_known() -> None:
    source = FixedSource({"load": [MINUTES], "errors": []}, now=lambda: FOREVER)
    with pytest.raises(QueryRejected, match="'lood' is not in this source; there are: load, errors"):
        source.instant("lood", at_s=0)
    assert source.queries == ("load", "errors")
    assert source.range("errors", start_s=0, end_s=60, step_seconds=60).series == ()


@given(
    times=st.lists(st.integers(0, 100), max_size=20, unique=True),
    now=st.integers(0, 100),
    start=st.integers(0, 100),
    step=st.integers(1, 9),
    lookback=st.integers(1, 30),
)
def test_each_value_is_the_newest_that_was_known(
    times: list[int], now: int, start: int, step: int, lookback: int
) -> None:
    one = LabelledHistory({}, RawHistory(np.array(times, dtype=np.float64), np.array(times, dtype=np.float64)))
    source = FixedSource({"load": [one]}, now=lambda: now, lookback_seconds=lookback)
    expected = {
        at: max(known)
        for at in range(start, 101, step)
        if at <= now and (known := [time for time in times if at - lookback < time <= at])
    }
    assert values(source, start=start, end=100, step=step) == expected
