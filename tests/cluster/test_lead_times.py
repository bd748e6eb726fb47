"""From starts of pods to the seconds that are planned with."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cluster.leadtime import LIMIT_SECONDS, Start, lead_of, settled_lead
from app.workloads.book import LeadTime
from app.workloads.spec import Lead

SPEC = Lead(floor_seconds=15, fallback_seconds=120)


def starts(*seconds: float) -> list[Start]:
    return [Start(ready_s=float(position), seconds=one) for position, one in enumerate(seconds)]


def test_without_any_start_the_fallback_is_planned_with() -> None:
    assert lead_of([], SPEC) == LeadTime(120, "Fallback", 0)


def test_few_starts_count_as_their_longest_rounded_up_to_five_seconds() -> None:
    assert lead_of(starts(21, 31.2, 26), SPEC) == LeadTime(35, "Measured", 3)


def test_one_straggler_among_twenty_does_not_decide_but_three_do() -> None:
    assert lead_of(starts(*[20] * 19, 300), SPEC).seconds == 20
    assert lead_of(starts(*[20] * 17, 300, 300, 300), SPEC).seconds == 300


def test_only_the_newest_twenty_starts_count() -> None:
    slow_then_fast = starts(*[300] * 20, *[30] * 20)
    assert lead_of(slow_then_fast, SPEC) == LeadTime(30, "Measured", 20)
    assert lead_of(reversed(slow_then_fast), SPEC) == LeadTime(30, "Measured", 20)


def test_a_measurement_below_the_floor_is_the_floor_and_says_so() -> None:
    assert lead_of(starts(3, 4), SPEC) == LeadTime(15, "Floor", 2)


@given(st.lists(st.floats(0, LIMIT_SECONDS), min_size=1, max_size=40))
def test_nine_of_ten_starts_are_within_the_lead(seconds: list[float]) -> None:
    lead = lead_of(starts(*seconds), SPEC)
    newest = seconds[-20:]
    assert sum(one <= lead.seconds for one in newest) >= math.ceil(0.9 * len(newest))
    assert lead.seconds % 5 == 0
    assert SPEC.floor_seconds <= lead.seconds <= LIMIT_SECONDS


@pytest.mark.parametrize(
    ("current", "measured", "expected"),
    [
        (None, 30, 30),
        (30, 35, 35),  # longer by a step: too short a lead is the costly mistake
        (30, 25, 30),  # shorter by one step: it would flap on the edge of a step
        (30, 20, 20),
        (300, 320, 300),  # less than 10 %
        (300, 330, 330),
        (300, 275, 300),
        (300, 270, 270),
    ],
)
def test_status_moves_only_when_the_measurement_differs_enough(
    current: int | None, measured: int, expected: int
) -> None:
    held = None if current is None else LeadTime(current, "Measured", 5)
    assert settled_lead(held, LeadTime(measured, "Measured", 7), SPEC).seconds == expected


def test_the_first_measurement_replaces_a_fallback_however_close() -> None:
    measured = LeadTime(115, "Measured", 1)
    assert settled_lead(LeadTime(120, "Fallback"), measured, SPEC) == measured


def test_a_replica_that_has_seen_no_start_keeps_what_was_measured_before_it() -> None:
    held = LeadTime(40, "Measured", 9)
    assert settled_lead(held, lead_of([], SPEC), SPEC) == held


def test_a_raised_floor_takes_effect_at_once() -> None:
    raised = Lead(floor_seconds=45, fallback_seconds=120)
    held = LeadTime(40, "Measured", 9)
    assert settled_lead(held, lead_of([], raised), raised).seconds == 45
    assert settled_lead(held, lead_of(starts(41), raised), raised).seconds == 45
    slightly = Lead(floor_seconds=310, fallback_seconds=400)
    assert settled_lead(LeadTime(300, "Measured", 9), lead_of(starts(290), slightly), slightly).seconds == 310


def test_a_changed_fallback_is_followed_while_nothing_is_measured() -> None:
    changed = Lead(floor_seconds=15, fallback_seconds=90)
    assert settled_lead(LeadTime(120, "Fallback"), lead_of([], changed), changed) == LeadTime(90, "Fallback")
