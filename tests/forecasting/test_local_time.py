"""The clock that a load follows: hours that are skipped and repeated, and seasons that survive both."""

from datetime import UTC, datetime

import numpy as np
import pytest

from models.bands import fit_bands
from models.decision import Terms, fit_decision
from models.engine import fit
from models.experts.registry import FLEET, LARGE_FLEET, rosters
from models.local_time import local_offsets_seconds, local_seconds, on_local_clock, same_offset
from models.series import Series

BERLIN = "Europe/Berlin"
FORWARD = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())
BACK = int(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp())
HOUR, DAY, STEP = 3_600, 86_400, 300


def local_hours(*moments, zone=BERLIN):
    times_s = np.asarray([int(moment.timestamp()) for moment in moments], dtype=np.int64)
    return ((times_s + local_offsets_seconds(times_s, zone)) % DAY / HOUR).tolist()


def hours(start_s, count):
    """A panel of hours that are numbered from one."""
    return Series(start_s, HOUR, np.arange(1, count + 1, dtype=np.float32)[None])


def clock(series):
    """Hour of the local day -> number, of the last day."""
    return dict(zip((series.times_s % DAY // HOUR).tolist(), series.values[0].tolist(), strict=True))


def office(start_s, days):
    """Idle but from seven to nineteen in Berlin, where a day's work begins within a step."""
    times_s = start_s + np.arange(days * DAY // STEP, dtype=np.int64) * STEP
    hour = local_seconds(times_s, BERLIN) % DAY / HOUR
    noise = np.random.default_rng(1).uniform(0.97, 1.03, times_s.size)
    return Series(start_s, STEP, (np.where((hour >= 7) & (hour < 19), 100, 10) * noise).astype(np.float32)[None])


def terms():
    one = np.ones(1)
    return Terms(np.asarray([3]), 20 * one, 5 * one, np.asarray([1]))


def test_clocks_put_forward_skip_an_hour_of_the_local_day():
    before, after = datetime(2026, 3, 29, 0, 59, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert local_hours(before, after) == [pytest.approx(1 + 59 / 60), 3]


def test_clocks_put_back_repeat_an_hour_of_the_local_day():
    before, after = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert local_hours(before, after) == [2.5, 2.5]


def test_the_hour_that_clocks_skip_has_no_numbers():
    moved = on_local_clock(hours(FORWARD - 2 * HOUR, 4), BERLIN)
    assert clock(moved) == {0: 1, 1: 2, 2: pytest.approx(np.nan, nan_ok=True), 3: 3, 4: 4}


def test_of_the_hour_that_clocks_repeat_the_second_counts():
    moved = on_local_clock(hours(BACK - 2 * HOUR, 4), BERLIN)
    assert clock(moved) == {1: 1, 2: 3, 3: 4}


def test_what_the_second_of_two_equal_hours_has_not_reached_lies_ahead():
    panel = Series(BACK - HOUR, HOUR // 4, np.arange(6, dtype=np.float32)[None])  # 2:00 ... 2:45, 2:00, 2:15
    moved = on_local_clock(panel, BERLIN)
    assert moved.values[0].tolist() == [4, 5]
    assert moved.last_s % DAY == 2 * HOUR + 900


def test_an_hour_that_was_skipped_and_given_back_leaves_its_gap():
    zone, start_s = "Africa/Casablanca", int(datetime(2026, 2, 10, tzinfo=UTC).timestamp())  # Ramadan: back, forward
    moved = on_local_clock(hours(start_s, 60 * 24), zone)
    assert moved.steps == 60 * 24
    assert np.isnan(moved.values).sum() == 1


def test_a_panel_without_a_change_is_only_named_otherwise():
    panel = hours(FORWARD - 48 * HOUR, 24)
    moved = on_local_clock(panel, BERLIN)
    assert (moved.start_s, moved.values is panel.values) == (panel.start_s + HOUR, True)
    assert on_local_clock(panel, "UTC") is panel


def test_columns_are_cut_where_the_clock_changes():
    times_s = hours(FORWARD - 2 * HOUR, 4).times_s
    assert list(same_offset(times_s, BERLIN)) == [slice(0, 2), slice(2, 4)]
    assert list(same_offset(times_s, "UTC")) == [slice(0, 4)]


@pytest.mark.parametrize("change", [FORWARD, BACK], ids=["put forward", "put back"])
@pytest.mark.parametrize("roster", [FLEET, LARGE_FLEET])
def test_the_working_day_after_the_clocks_changed_begins_when_people_do(change, roster):
    midnight = change // DAY * DAY
    whole = office(midnight - 20 * DAY, 22)
    past, first = Series(whole.start_s, STEP, whole.values[:, : 21 * DAY // STEP]), 21 * DAY // STEP
    asked = {}
    for zone in ("UTC", BERLIN):
        fitted, _ = fit_decision(past, terms(), hold_out_steps=7 * DAY // STEP, roster=rosters()[roster], zone=zone)
        asked[zone] = fitted.wanted(whole, first=first)[0]
    needed = whole.values[0, first:]
    begins = int(np.argmax(needed > 50))
    ready = slice(begins - 3, begins)  # the window before the first column of work
    assert asked[BERLIN][ready].min() > 60
    assert not (asked["UTC"][ready] > 60).all() or (asked["UTC"][: begins - 6] > 60).any()
    assert (asked[BERLIN][: begins - 6] < 60).all()


def test_the_path_and_its_quantiles_follow_the_clock_too():
    midnight = FORWARD // DAY * DAY
    past = office(midnight - 20 * DAY, 21)
    fitted = fit(
        past,
        terms=terms(),
        level=np.asarray([0.95]),
        levels=(0.5, 0.95),
        horizon=DAY // STEP,
        hold_out_steps=5 * DAY // STEP,
        zone=BERLIN,
    )
    ahead = fitted.predict(past, latest=np.asarray([10.0])).forecast.values[0]
    begins = (5 * HOUR) // STEP  # seven in Berlin is five in UTC now
    assert ahead[begins - 3] < 50 < ahead[begins + 1]


def test_what_lies_ahead_of_a_change_changes_nothing_before_it():
    midnight = BACK // DAY * DAY
    whole = office(midnight - 15 * DAY, 17)
    fitted, _ = fit_decision(
        Series(whole.start_s, STEP, whole.values[:, : 15 * DAY // STEP]),
        terms(),
        hold_out_steps=5 * DAY // STEP,
        roster=rosters()[FLEET],
        zone=BERLIN,
    )
    first, seen = 15 * DAY // STEP, 15 * DAY // STEP + (BACK - midnight) // STEP + 6  # half an hour after the change
    short = Series(whole.start_s, STEP, whole.values[:, :seen])
    assert fitted.wanted(whole, first=first)[0, : seen - first].tobytes() == fitted.wanted(short, first=first).tobytes()


@pytest.mark.parametrize("change", [FORWARD, BACK], ids=["put forward", "put back"])
def test_of_a_column_the_same_bytes_come_out_however_far_back_is_shown(change):
    midnight = change // DAY * DAY
    whole = office(midnight - 20 * DAY, 22)
    past = Series(whole.start_s, STEP, whole.values[:, : 21 * DAY // STEP])
    fitted, _ = fit_decision(past, terms(), hold_out_steps=5 * DAY // STEP, roster=rosters()[FLEET], zone=BERLIN)
    recent = whole.tail(fitted.lookback_steps + 1)
    assert fitted.offered(recent).tobytes() == fitted.offered(whole).tobytes()


@pytest.mark.parametrize("change", [FORWARD, BACK], ids=["put forward", "put back"])
def test_regressed_quantiles_know_when_work_begins_after_a_change(change):
    whole = office(change // DAY * DAY - 20 * DAY, 22)
    first = 21 * DAY // STEP
    begins = first + int(np.argmax(whole.values[0, first:] > 50))
    seen = Series(whole.start_s, STEP, whole.values[:, : begins - 2])  # a quarter of an hour before
    fitted = fit_bands(seen, horizons=(1, 3, 5), levels=(0.5,), zone=BERLIN)
    ahead = fitted.quantiles(seen.tail(fitted.lookback_steps + 1), horizon=5)[0, :, 0]
    assert ahead[0] < 20
    assert ahead[4] > 90
