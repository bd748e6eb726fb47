"""Known events: how much of a column they cover, what is learned from earlier ones, and that nothing later counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.calendar import MAX_FACTOR, MIN_FACTOR, Effect, EventTimes, column_factors, learn, presence
from models.errors import InvalidSeries

STEP = 60
DAY = 1_440  # columns
GRID = {"start_s": 0, "step_seconds": STEP}


def event(
    *spans: tuple[int, int], name: str = "sale", up: int = 0, down: int = 0, factor: float | None = None
) -> EventTimes:
    """Spans, in columns."""
    starts, ends = (np.array(one, dtype=np.int64) * STEP for one in zip(*spans, strict=True))
    return EventTimes(name, starts, ends, ramp_up_seconds=up * STEP, ramp_down_seconds=down * STEP, factor=factor)


def daily(days: int, *, at: int = 600, columns: int = 60, **more: int) -> EventTimes:
    return event(*[(day * DAY + at, day * DAY + at + columns) for day in range(days)], **more)  # type: ignore[arg-type]


def learned(one: EventTimes, measured: NDArray[np.float64], *, cut: int, base: float = 10.0) -> Effect:
    (effect,) = learn([one], **GRID, measured=measured, expected=np.full(measured.size, base), cut_s=cut * STEP)
    return effect


def load(one: EventTimes, factor: float, *, columns: int, base: float = 10.0) -> NDArray[np.float64]:
    return base * column_factors([one], [Effect(factor)], **GRID, steps=columns)


def test_a_column_is_covered_as_far_as_its_own_minute_is() -> None:
    half = EventTimes("x", np.array([90]), np.array([210]))
    assert presence(half, **GRID, steps=6).tolist() == [0, 0, 0.5, 1, 0.5, 0]


def test_ramps_are_straight_lines_before_the_start_and_after_the_end() -> None:
    found = presence(event((5, 7), up=2, down=4), **GRID, steps=14)
    assert found == pytest.approx([0, 0, 0, 0, 0.25, 0.75, 1, 1, 0.875, 0.625, 0.375, 0.125, 0, 0])


@given(
    start=st.integers(-2_000, 4_000), length=st.integers(1, 3_000), up=st.integers(0, 1_500), down=st.integers(0, 1_500)
)
def test_what_is_covered_is_the_area_under_the_ramps(start: int, length: int, up: int, down: int) -> None:
    one = EventTimes("x", np.array([start]), np.array([start + length]), ramp_up_seconds=up, ramp_down_seconds=down)
    steps = 60
    fine = np.arange(-STEP, (steps - 1) * STEP) + 0.5  # a second at a time
    xs = [start - up - 1e-9, start, start + length, start + length + down + 1e-9]
    naive = np.interp(fine, xs, [0, 1, 1, 0]).reshape(steps, STEP).mean(axis=1)
    assert presence(one, **GRID, steps=steps) == pytest.approx(naive, abs=1e-3)


@given(cut=st.integers(0, 30))
def test_a_part_of_the_grid_is_covered_as_in_the_whole(cut: int) -> None:
    one = event((5, 9), (20, 22), up=3, down=2)
    whole = presence(one, **GRID, steps=31)
    part = presence(one, start_s=cut * STEP, step_seconds=STEP, steps=31 - cut)
    assert part == pytest.approx(whole[cut:])


def test_an_event_listed_twice_is_not_there_twice() -> None:
    assert presence(event((2, 4), (2, 4), (3, 5)), **GRID, steps=8).tolist() == [0, 0, 0, 1, 1, 1, 0, 0]


def test_events_that_overlap_multiply_within_the_limits() -> None:
    events = [event((2, 5)), event((4, 6)), event((10, 11)), event((10, 11))]
    effects = [Effect(2.0), Effect(3.0), Effect(15.0), Effect(15.0)]
    found = column_factors(events, effects, **GRID, steps=12)
    assert found.tolist() == [1, 1, 1, 2, 2, 6, 3, 1, 1, 1, 1, MAX_FACTOR]
    low = column_factors(events[2:], [Effect(MIN_FACTOR)] * 2, **GRID, steps=12)
    assert low.min() == pytest.approx(MIN_FACTOR)


def test_without_events_every_factor_is_one() -> None:
    assert column_factors([], [], **GRID, steps=3).tolist() == [1, 1, 1]


def test_a_given_factor_stays_whatever_was_measured() -> None:
    one = daily(5, factor=2)
    assert learned(one, np.full(5 * DAY, 10.0), cut=5 * DAY) == Effect(2.0, 0)


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.5, 6.0])
@pytest.mark.parametrize("occurrences", [1, 3, 30])
def test_an_effect_is_learned_and_drawn_towards_one_the_more_the_fewer_showed_it(
    factor: float, occurrences: int
) -> None:
    one = daily(occurrences, up=10, down=20)
    found = learned(one, load(one, factor, columns=occurrences * DAY), cut=occurrences * DAY)
    assert found.occurrences == occurrences
    assert found.factor == pytest.approx(factor ** (occurrences / (occurrences + 1)))


def test_without_an_earlier_occurrence_nothing_is_assumed() -> None:
    assert learned(event((2 * DAY, 2 * DAY + 60)), np.full(DAY, 10.0), cut=DAY) == Effect(1.0, 0)


def test_one_occurrence_that_went_wrong_does_not_decide() -> None:
    one = daily(5)
    measured = load(one, 2.0, columns=5 * DAY)
    measured[DAY : 2 * DAY] *= 50
    assert learned(one, measured, cut=5 * DAY).factor == pytest.approx(2 ** (5 / 6))


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 4 * DAY))
def test_nothing_after_the_cut_changes_what_is_learned(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    one = daily(4, up=10, down=30)
    measured = load(one, 2.0, columns=4 * DAY) * rng.uniform(0.8, 1.2, 4 * DAY)
    later = measured.copy()
    later[cut + 1 :] = rng.choice([np.nan, 0.0, 1e6], later[cut + 1 :].size)
    assert learned(one, later, cut=cut) == learned(one, measured, cut=cut)


@pytest.mark.parametrize(("cut", "occurrences"), [(689, 0), (690, 1), (DAY + 689, 1), (DAY + 690, 2)])
def test_an_occurrence_counts_when_its_ramp_down_is_over(cut: int, occurrences: int) -> None:
    one = daily(2, down=30)
    assert learned(one, load(one, 2.0, columns=2 * DAY), cut=cut).occurrences == occurrences


def test_an_occurrence_that_was_hardly_measured_does_not_count() -> None:
    one = daily(3)
    measured = load(one, 2.0, columns=3 * DAY)
    measured[600:640] = np.nan
    measured[DAY + 600 : DAY + 620] = np.nan
    found = learned(one, measured, cut=3 * DAY)
    assert found.occurrences == 2
    assert found.factor == pytest.approx(2 ** (2 / 3))


def test_where_nothing_was_expected_nothing_is_learned() -> None:
    one = daily(3)
    measured = np.full(3 * DAY, 5.0)
    assert learned(one, measured, cut=3 * DAY, base=0.0) == Effect(1.0, 0)
    assert learned(one, measured, cut=3 * DAY, base=np.nan) == Effect(1.0, 0)


@pytest.mark.parametrize(("measured", "limit"), [(0.0, MIN_FACTOR), (1e9, MAX_FACTOR)])
def test_what_is_learned_has_limits(measured: float, limit: float) -> None:
    found = learned(daily(99), np.full(99 * DAY, measured), cut=99 * DAY)
    assert found.factor == pytest.approx(limit**0.99)


def test_events_that_overlap_are_learned_beside_each_other() -> None:
    days = 40
    noon, often = daily(days, at=700, name="noon"), event(*[(d * DAY + 730, d * DAY + 790) for d in range(0, days, 2)])  # type: ignore[arg-type]
    truth = column_factors([noon, often], [Effect(2.0), Effect(3.0)], **GRID, steps=days * DAY)
    effects = learn(
        [noon, often], **GRID, measured=10 * truth, expected=np.full(truth.size, 10.0), cut_s=days * DAY * STEP
    )
    assert [one.factor for one in effects] == pytest.approx([2 ** (40 / 41), 3 ** (20 / 21)], rel=0.04)


def test_dividing_by_the_factor_removes_the_event_and_multiplying_brings_it_back() -> None:
    one = daily(4, up=10, down=10)
    factors = column_factors([one], [Effect(2.5)], **GRID, steps=4 * DAY)
    assert load(one, 2.5, columns=4 * DAY) / factors == pytest.approx(np.full(4 * DAY, 10.0))


def test_inputs_stay_as_they_were() -> None:
    one = daily(2)
    measured, expected = load(one, 2.0, columns=2 * DAY), np.full(2 * DAY, 10.0)
    before = measured.copy(), expected.copy()
    learn([one], **GRID, measured=measured, expected=expected, cut_s=2 * DAY * STEP)
    assert (measured == before[0]).all()
    assert (expected == before[1]).all()


@pytest.mark.parametrize(
    ("starts", "ends", "more", "words"),
    [
        ([1, 2], [3], {}, "must be equal 1-d shapes"),
        ([3], [3], {}, "ends before it starts"),
        ([1], [2], {"ramp_up_seconds": -1}, "must not be negative"),
        ([1], [2], {"factor": 0.0}, "factor of x must be within 0.05 to 20"),
        ([1], [2], {"factor": float("nan")}, "factor of x must be within"),
    ],
)
def test_times_that_contradict_each_other_are_refused(
    starts: list[int], ends: list[int], more: dict[str, float], words: str
) -> None:
    with pytest.raises(InvalidSeries, match=words):
        EventTimes("x", np.array(starts), np.array(ends), **more)  # type: ignore[arg-type]


def test_measured_and_expected_of_other_lengths_are_refused() -> None:
    with pytest.raises(InvalidSeries, match="must be equal 1-d shapes"):
        learn([], **GRID, measured=np.ones(3), expected=np.ones(4), cut_s=0)
