"""Fit and prediction of a whole panel: what is foreseen, what is not, and that replicas agree to the byte."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from models import synthetic
from models.cleaning import for_fitting
from models.decision import Terms
from models.engine import FittedPanel, Prediction, fit
from models.experts.registry import FLEET, Roster, rosters
from models.series import Series

LEVELS = (0.1, 0.5, 0.9, 0.95)
MONDAY_S = 4 * synthetic.DAY_SECONDS


def terms(series: Series, *windows: int, price: float = 20.0) -> Terms:
    usual = np.nan_to_num(series.values[:, : series.steps // 2]).max(axis=1).clip(1) / 20
    steps = np.resize(np.asarray(windows, dtype=np.int64), series.workloads)
    hold = np.full(series.workloads, max(300 // series.step_seconds, 1))
    return Terms(steps, np.full(series.workloads, price), usual.astype(np.float64), hold)


def fitted(
    series: Series,
    *,
    window: int = 2,
    level: float = 0.95,
    horizon: int = 24,
    hold_out: int = 0,
    roster: Roster | None = None,
) -> FittedPanel:
    return fit(
        for_fitting(series),
        terms=terms(series, window),
        level=np.full(series.workloads, level),
        levels=LEVELS,
        horizon=horizon,
        hold_out_steps=hold_out or series.steps // 3,
        roster=roster,
    )


def predicted(panel: FittedPanel, series: Series, *, latest: float = float("nan")) -> Prediction:
    return panel.predict(series.tail(panel.recent_steps), latest=np.full(series.workloads, latest))


@pytest.fixture
def week() -> Series:
    return synthetic.daily(np.random.default_rng(4), workloads=3, days=7, step_seconds=300)


def test_a_daily_surge_of_minutes_is_foreseen_by_the_window_and_not_earlier() -> None:
    calm = synthetic.daily(np.random.default_rng(6), workloads=1, days=7, step_seconds=15, swing=0, noise=0.05)
    series = synthetic.with_daily_surge(calm, at_s=43_200, seconds=180, to=50)
    noon = 6 * 5760 + 2880  # column of the seventh day's surge
    panel = fitted(Series(0, 15, series.values[:, : noon - 1000]), window=3)

    def required(column: int) -> float:
        return float(predicted(panel, Series(0, 15, series.values[:, : column + 1])).required[0])

    assert required(noon - 4) < 15
    assert required(noon - 3) > 55
    assert required(noon - 1) > 55


@pytest.mark.parametrize("step_seconds", [60, 300])
def test_a_daily_surge_of_a_single_column_is_foreseen_too(step_seconds: int) -> None:
    rng = np.random.default_rng(6)
    calm = synthetic.daily(rng, workloads=1, days=11, step_seconds=step_seconds, swing=0, noise=0.05)
    series = synthetic.with_daily_surge(calm, at_s=43_200, seconds=step_seconds, to=50)
    noon = 10 * 86_400 // step_seconds + 43_200 // step_seconds
    before = Series(0, step_seconds, series.values[:, :noon])
    daily = Roster(rosters()[FLEET].experts)
    panel = fitted(before, window=1, roster=daily)
    assert float(predicted(panel, before).required[0]) > 40  # calm is 10; the first one is a spike


def test_a_newer_number_above_the_forecast_is_required(week: Series) -> None:
    assert predicted(fitted(week), week, latest=500).required.tolist() == [500] * 3


@pytest.mark.parametrize("number", [float("inf"), -1.0])
def test_a_newest_number_that_is_no_load_is_left_out(week: Series, number: float) -> None:
    panel = fitted(week)
    without = predicted(panel, week).required
    assert predicted(panel, week, latest=number).required.tobytes() == without.tobytes()


def test_a_longer_window_requires_more_on_the_way_up() -> None:
    rising = synthetic.daily(np.random.default_rng(4), workloads=20, days=7, step_seconds=300, noise=0.02)
    short, long = (predicted(fitted(rising, window=window), rising) for window in (1, 12))
    climbs = short.forecast.values[:, 11] > 1.1 * short.forecast.values[:, 0]
    assert climbs.any()
    assert (long.required[climbs] > short.required[climbs]).all()


def test_a_higher_level_never_requires_less(week: Series) -> None:
    low, high = (predicted(fitted(week, level=level), week).required for level in (0.5, 0.99))
    assert (high >= low).all()


def test_quantiles_ascend_and_are_not_negative(week: Series) -> None:
    values = predicted(fitted(week), week).quantiles.values
    assert (np.diff(values, axis=2) >= 0).all()
    assert (values >= 0).all()


def test_a_cold_start_is_not_ready_and_gives_no_number() -> None:
    series = synthetic.daily(np.random.default_rng(4), workloads=2, days=1, step_seconds=300)
    panel = fitted(series)
    assert panel.ready.tolist() == [False, False]
    assert np.isnan(predicted(panel, series, latest=5).required).all()
    assert np.isnan(panel.coverage).all()


def test_a_young_workload_is_not_ready_among_old_ones(week: Series) -> None:
    values = week.values.copy()
    values[1, :-100] = np.nan
    assert fitted(Series(0, 300, values)).ready.tolist() == [True, False, True]


@pytest.mark.parametrize("value", [0.0, 8.0])
def test_a_flat_workload_requires_its_own_level(value: float) -> None:
    series = synthetic.flat(workloads=1, steps=4 * 288, step_seconds=300, value=value)
    panel = fitted(series)
    assert panel.ready.all()
    assert predicted(panel, series).required[0] == pytest.approx(value, abs=1e-5)


def test_a_workload_without_any_number_is_not_ready_and_warns_nobody() -> None:
    series = Series(0, 300, np.full((1, 4 * 288), np.nan, dtype=np.float32))
    panel = fitted(series)
    assert panel.ready.tolist() == [False]
    assert np.isnan(predicted(panel, series).required).all()


def test_gaps_and_an_outage_leave_a_forecast(week: Series) -> None:
    damaged = synthetic.with_gaps(np.random.default_rng(1), synthetic.with_outage(week, first=900, steps=40), share=0.2)
    assert np.isfinite(predicted(fitted(damaged), damaged).required).all()


def test_a_level_shift_is_followed_within_the_hour(week: Series) -> None:
    shifted = synthetic.with_level_shift(week, first=week.steps - 12, factor=2)
    before, after = predicted(fitted(week), week).forecast.values, predicted(fitted(week), shifted).forecast.values
    assert (after > 1.5 * before).all()


def test_a_row_alone_gives_the_same_bytes_as_among_three_hundred() -> None:
    series = synthetic.daily(np.random.default_rng(9), workloads=300, days=4, step_seconds=300)
    together, alone = fitted(series), fitted(series.rows(slice(123, 124)))
    first, second = predicted(together, series), predicted(alone, series.rows(slice(123, 124)))
    assert first.required[123:124].tobytes() == second.required.tobytes()
    assert first.quantiles.values[123].tobytes() == second.quantiles.values[0].tobytes()
    assert together.held_out_required[123].tobytes() == alone.held_out_required[0].tobytes()


def test_a_row_does_not_depend_on_how_far_ahead_its_neighbours_look(week: Series) -> None:
    def windows(*steps: int, horizon: int) -> FittedPanel:
        return fit(
            for_fitting(week.rows(slice(len(steps)))),
            terms=terms(week.rows(slice(len(steps))), *steps),
            level=np.full(len(steps), 0.95),
            levels=LEVELS,
            horizon=horizon,
            hold_out_steps=week.steps // 3,
        )

    among, alone = windows(2, 2, 90, horizon=90), windows(2, horizon=24)
    assert among.held_out_required[0].tobytes() == alone.held_out_required[0].tobytes()
    assert among.coverage[0] == alone.coverage[0]
    first = among.predict(week.tail(among.recent_steps), latest=np.full(3, np.nan))
    second = alone.predict(week.rows(slice(1)).tail(alone.recent_steps), latest=np.full(1, np.nan))
    assert first.required[:1].tobytes() == second.required.tobytes()
    assert first.quantiles.values[0, :24].tobytes() == second.quantiles.values[0].tobytes()


def test_each_workload_is_planned_with_its_own_hpa_s_hold(week: Series) -> None:
    def held(rows: slice, *steps: int) -> bytes:
        some = week.rows(rows)
        asked = replace(terms(some, 4), hold_steps=np.asarray(steps))
        level, levels = np.full(some.workloads, 0.9), LEVELS
        panel = fit(for_fitting(some), terms=asked, level=level, levels=levels, horizon=24, hold_out_steps=2 * 288)
        return panel.held_out_required[-1].tobytes()

    assert held(slice(0, 2), 0, 3) == held(slice(1, 2), 3)
    assert held(slice(1, 2), 3) != held(slice(1, 2), 0)


def test_fitting_twice_gives_the_same_bytes(week: Series) -> None:
    assert pickle.dumps(fitted(week)) == pickle.dumps(fitted(week))


def test_a_fit_survives_its_way_between_processes(week: Series) -> None:
    panel = fitted(week)
    again = pickle.loads(pickle.dumps(panel))
    assert predicted(again, week).required.tobytes() == predicted(panel, week).required.tobytes()


def test_fitting_leaves_its_input_alone(week: Series) -> None:
    before = week.values.tobytes()
    predicted(fitted(week), week)
    assert week.values.tobytes() == before


def test_what_was_held_out_is_required_only_from_what_preceded_it(week: Series) -> None:
    column = week.steps - 200
    changed = synthetic.with_level_shift(week, first=column + 1, factor=9)
    place = column - (week.steps - fitted(week).held_out_required.shape[1])
    first, second = fitted(week).held_out_required, fitted(changed).held_out_required
    assert np.isfinite(first[:, place]).all()
    assert first[:, : place + 1].tobytes() == second[:, : place + 1].tobytes()


def test_bursts_that_never_recur_raise_the_tail_and_not_the_middle() -> None:
    rng = np.random.default_rng(11)
    calm = synthetic.daily(rng, workloads=10, days=14, step_seconds=300, swing=0, noise=0.05)
    bursty = synthetic.with_bursts(rng, calm, per_day=6, steps=3, to=40)
    assert 0.03 < (bursty.values > 40).mean() < 0.1
    level = np.nanmean(predicted(fitted(calm), calm).quantiles.values, axis=(0, 1))
    burst = np.nanmean(predicted(fitted(bursty), bursty).quantiles.values, axis=(0, 1))
    assert burst[1] < 1.3 * level[1]
    assert burst[3] > 2 * level[3]


def test_two_weeks_of_history_know_the_weekend() -> None:
    calm = synthetic.daily(
        np.random.default_rng(2), workloads=1, days=24, step_seconds=900, swing=0, noise=0.05, start_s=MONDAY_S
    )
    series = synthetic.with_weekend(calm, factor=0.2)
    friday_evening = 19 * 96 - 2
    known = Series(MONDAY_S, 900, series.values[:, :friday_evening])
    path = predicted(fitted(known, window=1, horizon=96), known).forecast.values[0]
    assert path[0] > 8
    assert path[8] < 4
