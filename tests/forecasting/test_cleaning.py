"""Each bad datum has its defined answer before anything is fitted on it."""

import numpy as np
import pytest

from models import synthetic
from models.cleaning import for_fitting, on_grid, rate_of_counter
from models.errors import InvalidSeries
from models.series import RawHistory, Series

NAN = float("nan")


def gridded(times_s: list[float], values: list[float], *, now_s: float = 1e12) -> list[float]:
    """On the grid 600, 660, 720, 780."""
    history = RawHistory(np.asarray(times_s, dtype=np.float64), np.asarray(values, dtype=np.float64))
    return on_grid(history, start_s=600, steps=4, step_seconds=60, now_s=now_s).tolist()


def assert_numbers(found: list[float], expected: list[float]) -> None:
    np.testing.assert_array_equal(found, expected)


def test_samples_on_the_grid_stay_where_they_are() -> None:
    assert_numbers(gridded([600, 660, 720, 780], [1, 2, 3, 4]), [1, 2, 3, 4])


def test_a_gap_is_no_number_and_not_zero() -> None:
    assert_numbers(gridded([600, 780], [1, 4]), [1, NAN, NAN, 4])


def test_a_sample_between_two_grid_times_is_known_at_the_later_one() -> None:
    assert_numbers(gridded([601, 719], [1, 2]), [NAN, 1, 2, NAN])


def test_a_sample_that_is_off_by_float_noise_counts_for_its_own_time() -> None:
    assert_numbers(gridded([660.0000001, 719.9999999], [1, 2]), [NAN, 1, 2, NAN])


def test_the_latest_sample_of_a_cell_counts() -> None:
    assert_numbers(gridded([650, 610, 660], [1, 2, 3]), [NAN, 3, NAN, NAN])


def test_of_duplicated_times_the_one_given_last_counts() -> None:
    assert_numbers(gridded([660, 660, 660], [1, 2, 3]), [NAN, 3, NAN, NAN])


def test_the_order_of_samples_does_not_matter() -> None:
    assert_numbers(gridded([780, 600, 720, 660], [4, 1, 3, 2]), [1, 2, 3, 4])


@pytest.mark.parametrize("number", [NAN, float("inf"), float("-inf"), -1.0, -1e-9])
def test_what_is_no_load_is_no_number(number: float) -> None:
    assert_numbers(gridded([600, 660, 720], [1, number, 3]), [1, NAN, 3, NAN])


def test_a_bad_sample_does_not_hide_a_good_one_of_the_same_cell() -> None:
    assert_numbers(gridded([650, 660], [2, NAN]), [NAN, 2, NAN, NAN])


def test_samples_after_now_are_dropped_when_the_clock_was_set_back() -> None:
    assert_numbers(gridded([600, 660, 720], [1, 2, 3], now_s=660), [1, 2, NAN, NAN])


def test_samples_outside_the_grid_are_left_out() -> None:
    assert_numbers(gridded([0, 540, 600, 781, 1e9], [9, 9, 1, 9, 9]), [1, NAN, NAN, NAN])


def test_no_samples_are_no_numbers() -> None:
    assert_numbers(gridded([], []), [NAN] * 4)


def test_times_and_values_of_different_length_are_refused() -> None:
    with pytest.raises(InvalidSeries, match="equal"):
        RawHistory(np.zeros(3), np.zeros(2))


def rates(times_s: list[float], counts: list[float]) -> tuple[list[float], list[float]]:
    history = rate_of_counter(RawHistory(np.asarray(times_s, dtype=np.float64), np.asarray(counts, dtype=np.float64)))
    return history.times_s.tolist(), history.values.tolist()


def test_a_counter_becomes_its_increase_per_second() -> None:
    assert rates([0, 10, 30], [100, 150, 150]) == ([10, 30], [5, 0])


def test_a_counter_that_falls_was_reset_and_counted_on_from_zero() -> None:
    assert rates([0, 10, 20], [100, 30, 50]) == ([10, 20], [3, 2])


def test_a_counter_s_bad_and_repeated_samples_are_skipped() -> None:
    assert rates([20, 0, 10, 10, 15], [20, 0, NAN, 10, float("inf")]) == ([10, 20], [1, 1])


def test_the_load_comes_back_out_of_its_counter_across_restarts() -> None:
    load = synthetic.daily(np.random.default_rng(2), workloads=2, days=1, step_seconds=300)
    history = rate_of_counter(synthetic.counter(load, row=1, resets=[50, 51, 200]))
    assert (np.diff(synthetic.counter(load, row=1, resets=[50, 51, 200]).values) < 0).any()
    np.testing.assert_allclose(history.values, load.values[1, 1:], rtol=1e-6)


def fitted(values: list[float], **options: int) -> list[float]:
    series = Series(0, 60, np.asarray([values], dtype=np.float32))
    return for_fitting(series, **options).values[0].tolist()


def test_short_gaps_take_the_last_number_and_long_ones_stay() -> None:
    found = fitted([1, NAN, NAN, 2, NAN, NAN, NAN, NAN], max_gap_seconds=120)
    assert_numbers(found, [1, 1, 1, 2, 2, 2, NAN, NAN])


def test_a_gap_is_never_filled_from_its_future() -> None:
    assert_numbers(fitted([NAN, NAN, 5]), [NAN, NAN, 5])


def test_one_spike_is_brought_down_to_its_neighbours() -> None:
    values = [10.0, 11, 10, 9, 1000, 10, 11, 10, 9, 10]
    assert fitted(values)[4] == 10


def test_a_burst_of_two_samples_is_load_and_stays() -> None:
    values = [10.0, 11, 10, 9, 1000, 1000, 11, 10, 9, 10]
    assert fitted(values)[4:6] == [1000, 1000]


def hourly_week(spikes: dict[int, float]) -> list[float]:
    """Seven days of hours around ten, and what stands out; as it comes out of cleaning."""
    values = [10.0 + hour % 3 for hour in range(7 * 24)]
    for hour, value in spikes.items():
        values[hour] = value
    series = Series(0, 3600, np.asarray([values], dtype=np.float32))
    return for_fitting(series).values[0].tolist()


def test_a_surge_of_one_column_that_comes_daily_is_load_from_its_second_day_on() -> None:
    found = hourly_week({9 + 24 * day: 500.0 for day in range(7)})
    assert [found[9 + 24 * day] for day in range(7)] == [12, *[500.0] * 6]


def test_a_daily_surge_may_be_a_column_early_or_late() -> None:
    found = hourly_week({9: 500.0, 9 + 25: 480.0, 9 + 48: 520.0})
    assert (found[34], found[57]) == (480, 520)


def test_a_spike_two_columns_from_yesterday_s_is_another_one() -> None:
    assert hourly_week({9: 500.0, 9 + 26: 500.0})[35] == 11


def test_whether_a_spike_is_load_is_not_known_from_its_future() -> None:
    assert hourly_week({9: 500.0, 33: 500.0})[:33] == hourly_week({9: 500.0})[:33]


def test_a_flat_series_and_an_idle_one_stay_as_they_are() -> None:
    assert fitted([5.0] * 9) == [5] * 9
    assert fitted([0.0] * 9) == [0] * 9


def test_cleaning_leaves_its_input_alone() -> None:
    series = Series(0, 60, np.asarray([[1, np.nan, 3, 900, 3, 3]], dtype=np.float32))
    before = series.values.tobytes()
    for_fitting(series)
    assert series.values.tobytes() == before
