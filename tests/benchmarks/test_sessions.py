"""The sessions that the benchmark of policies plays: who ends, who is killed, who is chosen."""

import numpy as np

from benchmarks.sessions import ScaleIn, SessionOutcome, play


def played(
    active: list[int], asked: list[int], *, drain: int = 0, fewest: bool = False, lead: int = 0
) -> SessionOutcome:
    return play(
        np.asarray(active),
        np.asarray(asked),
        lead_minutes=lead,
        scale_in=ScaleIn(drain, fewest),
        rng=np.random.default_rng(1),
    )


def test_without_scale_in_nobody_is_killed() -> None:
    found = played([100] * 60, [5] * 60)
    assert (found.killed, found.removed_pods, found.draining_pod_minutes) == (0, 0, 0)
    assert found.begun > 100  # those that ended were followed by others


def test_a_pod_that_goes_at_once_kills_what_it_has() -> None:
    found = played([100] * 10, [5] * 5 + [4] * 5)
    assert found.removed_pods == 1
    assert 15 <= found.killed <= 20  # a fifth, less what ended in that minute


def test_a_drain_saves_all_sessions_that_end_within_it() -> None:
    longest = played([100] * 2_000, [5] * 5 + [4] * 1_995, drain=1_900)
    some = played([100] * 2_000, [5] * 5 + [4] * 1_995, drain=10)
    assert longest.killed == 0
    assert 0 < some.killed < played([100] * 2_000, [5] * 5 + [4] * 1_995).killed
    assert longest.draining_pod_minutes > some.draining_pod_minutes > 0


def test_the_pod_with_the_fewest_sessions_is_chosen_where_that_is_asked_for() -> None:
    active, asked = [40] * 5 + [60] * 10, [2] * 5 + [5] * 3 + [4] * 7
    assert played(active, asked, fewest=True).killed < played(active, asked).killed


def test_a_pod_that_is_not_ready_goes_first_and_kills_nobody() -> None:
    assert played([100] * 10, [5] * 3 + [6] * 2 + [5] * 5, lead=5).killed == 0


def test_no_session_begins_where_no_pod_is_ready() -> None:
    assert played([10] * 5, [0] * 5).begun == 0
