"""What the regressions see of a column."""

import numpy as np
import pytest

from models import synthetic
from models.features import features
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
