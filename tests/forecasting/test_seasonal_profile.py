"""What recurs is learned per row and in the clock that people live by."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models import synthetic
from models.forecasters.seasonal_profile import SeasonalProfile
from models.series import Series

STEP = 900
DAY_STEPS = synthetic.DAY_SECONDS // STEP
BERLIN = "Europe/Berlin"


def opens_at_nine(start: datetime, *, days: int) -> Series:
    """Ten from 9:00 to 17:00 in Berlin, one at night; so many days from `start` on."""
    start_s = int(start.timestamp())
    times_s = start_s + np.arange(days * DAY_STEPS) * STEP
    hours = [datetime.fromtimestamp(int(time_s), UTC).astimezone(ZoneInfo(BERLIN)).hour for time_s in times_s]
    return Series(start_s, STEP, np.where([9 <= hour < 17 for hour in hours], 10, 1).astype(np.float32)[None])


@pytest.mark.parametrize(
    "change", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)], ids=["spring", "autumn"]
)
@pytest.mark.parametrize("days", [7, 21])
def test_a_profile_in_local_time_follows_the_change_of_clocks(change: datetime, days: int) -> None:
    start = datetime.fromtimestamp(change.timestamp() - days * synthetic.DAY_SECONDS, UTC)
    truth = opens_at_nine(start, days=days + 3)
    known, ahead = truth.values[:, : days * DAY_STEPS], truth.values[:, days * DAY_STEPS :]
    where = {"start_s": truth.start_s + days * synthetic.DAY_SECONDS, "steps": 3 * DAY_STEPS}
    local = SeasonalProfile(zone=BERLIN).fit(Series(truth.start_s, STEP, known)).profile(**where)
    np.testing.assert_array_equal(local, ahead)
    universal = SeasonalProfile().fit(Series(truth.start_s, STEP, known)).profile(**where)
    assert (universal != ahead).sum() == 3 * 2 * 3600 // STEP  # an hour late at both ends of each day


def test_a_history_with_a_change_of_clocks_in_it_is_folded_by_local_time() -> None:
    truth = opens_at_nine(datetime(2026, 3, 25, tzinfo=UTC), days=9)
    fitted = SeasonalProfile(zone=BERLIN).fit(truth)
    np.testing.assert_array_equal(fitted.profile(start_s=truth.start_s, steps=truth.steps), truth.values)


def test_a_step_that_does_not_divide_the_day_does_not_drift_through_it() -> None:
    step = 420
    times_s = np.arange(13 * 86_400 // step) * step
    values = np.where(times_s % 86_400 < 43_200, 10, 1).astype(np.float32)[None]
    fitted = SeasonalProfile().fit(Series(0, step, values))
    noon_s = 20 * 86_400 + 43_200
    assert fitted.profile(start_s=noon_s - 2 * step, steps=1)[0, 0] == 10
    assert fitted.profile(start_s=noon_s + 2 * step, steps=1)[0, 0] == 1


def test_a_row_younger_than_two_weeks_has_the_profile_of_its_days() -> None:
    series = synthetic.daily(np.random.default_rng(3), workloads=1, days=28, step_seconds=STEP, noise=0.3)
    values = series.values.copy()
    values[:, : -10 * DAY_STEPS] = np.nan
    young = SeasonalProfile().fit(Series(0, STEP, values)).profile(start_s=series.last_s + STEP, steps=7 * DAY_STEPS)
    days = young.reshape(7, DAY_STEPS)
    assert (days == days[0]).all()


def test_a_time_of_the_week_seen_only_once_takes_the_day_s_value() -> None:
    series = synthetic.flat(workloads=1, steps=28 * DAY_STEPS, step_seconds=STEP, value=5)
    values = series.values.copy()
    once = np.arange(36, 28 * DAY_STEPS, 7 * DAY_STEPS)
    values[0, once] = [np.nan, np.nan, np.nan, 80]
    path = SeasonalProfile().fit(Series(0, STEP, values)).profile(start_s=0, steps=40)
    np.testing.assert_array_equal(path, 5)
