"""What the regressions see of a column."""

import numpy as np
import pytest

from models import synthetic
from models.features import features, lookback_steps
from models.series import Series

STEP_SECONDS = 300
DAY = 86_400 // STEP_SECONDS


@pytest.mark.parametrize("unit", [1, 1e4, 1e8])
def test_days_without_load_do_not_blur_what_is_known_weeks_later_in_any_unit(unit: float) -> None:
    values = synthetic.daily(np.random.default_rng(5), workloads=1, days=20, step_seconds=STEP_SECONDS).values * unit
    idle = values.copy()
    idle[:, : 3 * DAY] = 0
    columns = np.arange(18 * DAY, 20 * DAY)
    steady, begun = (
        features(Series(0, STEP_SECONDS, one.astype(np.float32)), columns=columns, window=(1, 3)).regressors
        for one in (values, idle)
    )
    assert begun == pytest.approx(steady, abs=0.01)


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_what_a_service_shows_of_the_past_makes_the_features_that_a_model_was_fitted_on(hour: int) -> None:
    by_day = synthetic.daily(np.random.default_rng(5), workloads=1, days=21, step_seconds=STEP_SECONDS, swing=0.9)
    whole = Series(0, STEP_SECONDS, by_day.values[:, : 20 * DAY + hour * DAY // 24])
    recent = whole.tail(lookback_steps(STEP_SECONDS) + 1)
    fitted_on, served = (
        features(one, columns=np.asarray([one.steps - 1]), window=(1, 3)).regressors for one in (whole, recent)
    )
    assert served == pytest.approx(fitted_on, abs=0.05)
