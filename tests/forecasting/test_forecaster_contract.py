"""What every registered forecaster must do; joining the registry means passing this."""

import pickle

import numpy as np
import pytest

from models import synthetic
from models.backtest import rolling_origin
from models.errors import HistoryTooShort
from models.forecasters.base import Forecaster
from models.forecasters.registry import forecasters
from models.series import Series

STEP = 300
DAY_STEPS = synthetic.DAY_SECONDS // STEP


@pytest.fixture(params=sorted(forecasters()))
def forecaster(request: pytest.FixtureRequest) -> Forecaster:
    return forecasters()[request.param]


@pytest.fixture
def panel() -> Series:
    return synthetic.daily(np.random.default_rng(7), workloads=4, days=5, step_seconds=STEP)


def path(forecaster: Forecaster, series: Series, *, horizon: int = 12) -> np.ndarray:
    fitted = forecaster.fit(series)
    ahead = fitted.profile(start_s=series.last_s + series.step_seconds, steps=horizon)
    return fitted.level(series.tail(fitted.recent_steps + 1))[:, -1:] * ahead


def test_shapes_and_types_follow_the_panel(forecaster: Forecaster, panel: Series) -> None:
    fitted = forecaster.fit(panel)
    assert fitted.profile(start_s=panel.last_s, steps=9).shape == (4, 9)
    assert fitted.profile(start_s=panel.last_s, steps=9).dtype == np.float32
    assert fitted.level(panel).shape == panel.values.shape
    assert fitted.level(panel).dtype == np.float32


def test_the_same_panel_gives_the_same_bytes(forecaster: Forecaster, panel: Series) -> None:
    assert path(forecaster, panel).tobytes() == path(forecaster, panel).tobytes()


def test_a_row_alone_gives_the_same_bytes_as_among_others(forecaster: Forecaster, panel: Series) -> None:
    together = path(forecaster, panel)
    for row in range(panel.workloads):
        assert path(forecaster, panel.rows(slice(row, row + 1))).tobytes() == together[row].tobytes()


def test_its_input_is_left_as_it_was(forecaster: Forecaster, panel: Series) -> None:
    before = panel.values.copy()
    path(forecaster, panel)
    assert panel.values.tobytes() == before.tobytes()


def test_it_survives_pickling(forecaster: Forecaster, panel: Series) -> None:
    fitted = forecaster.fit(panel)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.profile(start_s=0, steps=5).tobytes() == fitted.profile(start_s=0, steps=5).tobytes()
    assert again.recent_steps == fitted.recent_steps


def test_a_constant_is_forecast_as_itself(forecaster: Forecaster) -> None:
    panel = synthetic.flat(workloads=2, steps=3 * DAY_STEPS, step_seconds=STEP, value=7)
    np.testing.assert_allclose(path(forecaster, panel), 7, rtol=1e-5)


def test_no_load_is_forecast_as_none(forecaster: Forecaster) -> None:
    panel = synthetic.flat(workloads=2, steps=3 * DAY_STEPS, step_seconds=STEP, value=0)
    np.testing.assert_array_equal(path(forecaster, panel), 0)


def test_too_short_a_history_gives_no_number(forecaster: Forecaster) -> None:
    panel = synthetic.flat(workloads=1, steps=DAY_STEPS, step_seconds=STEP)
    too_short = np.full_like(panel.values, np.nan)
    kept = forecaster.min_steps(STEP) - 1
    if kept:
        too_short[:, -min(kept, panel.steps) :] = 1
    assert np.isnan(path(forecaster, Series(0, STEP, too_short))).all()


def test_gaps_do_not_make_gaps_in_the_forecast(forecaster: Forecaster, panel: Series) -> None:
    gappy = synthetic.with_gaps(np.random.default_rng(8), panel, share=0.3)
    assert np.isfinite(path(forecaster, gappy)).all()


def test_a_forecast_is_never_negative(forecaster: Forecaster, panel: Series) -> None:
    assert (path(forecaster, panel, horizon=DAY_STEPS) >= 0).all()


def test_what_comes_later_changes_no_level_before(forecaster: Forecaster, panel: Series) -> None:
    fitted = forecaster.fit(panel)
    half = panel.steps // 2
    changed = synthetic.with_level_shift(panel, first=half, factor=50)
    assert fitted.level(changed)[:, :half].tobytes() == fitted.level(panel)[:, :half].tobytes()


def test_a_backtest_knows_nothing_after_its_origin(forecaster: Forecaster, panel: Series) -> None:
    origin = 4 * DAY_STEPS
    changed = synthetic.with_outage(panel, first=origin + 1, steps=panel.steps)
    first = rolling_origin(panel, forecaster, origins=[origin], horizon=6)
    second = rolling_origin(changed, forecaster, origins=[origin], horizon=6)
    assert first.forecast.tobytes() == second.forecast.tobytes()
    assert first.actual.tobytes() != second.actual.tobytes()


def test_a_backtest_beyond_the_panel_says_what_is_missing(forecaster: Forecaster, panel: Series) -> None:
    with pytest.raises(HistoryTooShort, match="6 columns"):
        rolling_origin(panel, forecaster, origins=[panel.steps - 1], horizon=6)
