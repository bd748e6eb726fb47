"""Which replica writes status, with clocks that the test turns."""

from collections.abc import Callable
from typing import Any

import pytest

from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.lease import LeaseHolder, Sighting, next_step, sighted, still_held
from app.cluster.permissions import LEASE_NAME
from tests.cluster.lease_and_clock import Clock

LEASE = 30


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def replica(api: KubernetesApi, clock: Clock) -> Callable[[str], LeaseHolder]:
    def make(name: str) -> LeaseHolder:
        return LeaseHolder(
            api, namespace="forescale", me=name, lease_seconds=LEASE, monotonic=clock, wall=lambda: 1_795_428_000.5
        )

    return make


def lease(fake: Any) -> dict[str, Any]:
    found: dict[str, Any] = fake.objects["leases", "forescale", LEASE_NAME]["spec"]
    return found


@pytest.mark.parametrize(
    ("sighting", "step"),
    [
        (None, "create"),
        (Sighting("me", "7", seen_s=0, duration_seconds=LEASE), "renew"),
        (Sighting("other", "7", seen_s=71, duration_seconds=LEASE), "wait"),
        (Sighting("other", "7", seen_s=70, duration_seconds=LEASE), "take"),
        (Sighting("", "7", seen_s=100, duration_seconds=LEASE), "take"),
    ],
)
def test_the_step_follows_from_the_sighting(sighting: Sighting | None, step: str) -> None:
    assert next_step(sighting, me="me", now_s=100) == step


def test_a_lease_is_given_up_before_another_can_take_it() -> None:
    assert not still_held(None, now_s=0, lease_seconds=LEASE)
    assert still_held(100, now_s=119.9, lease_seconds=LEASE)
    assert not still_held(100, now_s=120, lease_seconds=LEASE)


def test_a_lease_runs_out_by_our_clock_not_by_the_time_written_in_it() -> None:
    written = {
        "metadata": {"resourceVersion": "7"},
        "spec": {"holderIdentity": "other", "leaseDurationSeconds": LEASE, "renewTime": "1999-01-01T00:00:00.0Z"},
    }
    first = sighted(written, None, now_s=100)
    again = sighted(written, first, now_s=129)
    assert next_step(again, me="me", now_s=129) == "wait"
    assert next_step(again, me="me", now_s=130) == "take"
    renewed = {**written, "metadata": {"resourceVersion": "8"}}
    assert next_step(sighted(renewed, again, now_s=130), me="me", now_s=130) == "wait"


def test_the_first_replica_creates_the_lease_and_the_second_waits(fake: Any, replica: Any) -> None:
    first, second = replica("a"), replica("b")
    assert not first.held()
    first.attempt()
    second.attempt()
    assert first.held()
    assert not second.held()
    assert lease(fake) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": LEASE,
        "renewTime": "2026-11-23T10:00:00.500000Z",
        "acquireTime": "2026-11-23T10:00:00.500000Z",
        "leaseTransitions": 0,
    }


def test_a_dead_holder_is_followed_after_the_leases_duration(fake: Any, replica: Any, clock: Clock) -> None:
    first, second = replica("a"), replica("b")
    first.attempt()
    second.attempt()
    clock.now_s += LEASE - 1
    second.attempt()
    assert not second.held()
    clock.now_s += 1
    second.attempt()
    assert second.held()
    assert not first.held()
    assert lease(fake)["holderIdentity"] == "b"
    assert lease(fake)["leaseTransitions"] == 1
    first.attempt()
    assert not first.held()


def test_a_holder_that_renews_stays_however_long(fake: Any, replica: Any, clock: Clock) -> None:
    first, second = replica("a"), replica("b")
    for _ in range(10):
        first.attempt()
        second.attempt()
        assert first.held()
        assert not second.held()
        clock.now_s += LEASE / 3
    assert lease(fake)["leaseTransitions"] == 0


def test_a_holder_cut_off_from_the_api_stops_by_itself(fake: Any, replica: Any, clock: Clock) -> None:
    first = replica("a")
    first.attempt()
    clock.now_s += 19
    fake.fail_next("GET", "/leases/", 500)
    with pytest.raises(ApiFailure):
        first.attempt()
    assert first.held()
    clock.now_s += 1
    assert not first.held()


def test_of_two_that_take_at_once_one_gets_it(fake: Any, replica: Any, clock: Clock) -> None:
    """The version in the update decides: the slower one meets a conflict."""
    first, second = replica("a"), replica("b")
    read_by_first = first._read()
    second.attempt()
    assert read_by_first is None
    assert first._write("create", None) is False
    assert second.held()


def test_closing_gives_the_lease_back_so_that_nobody_waits(fake: Any, replica: Any) -> None:
    first, second = replica("a"), replica("b")
    first.attempt()
    second.attempt()
    first.close()
    assert lease(fake)["holderIdentity"] == ""
    assert not first.held()
    second.attempt()
    assert second.held()


def test_closing_leaves_a_lease_that_is_not_ours_alone(fake: Any, replica: Any) -> None:
    first, second = replica("a"), replica("b")
    first.attempt()
    second.attempt()
    second.close()
    assert lease(fake)["holderIdentity"] == "a"


def test_closing_leaves_a_lease_alone_that_went_to_another_unseen(fake: Any, replica: Any) -> None:
    first = replica("a")
    first.attempt()
    by_hand = fake.objects["leases", "forescale", LEASE_NAME]
    fake.put("leases", {**by_hand, "spec": {**by_hand["spec"], "holderIdentity": "b"}})
    assert first.held()
    first.close()
    assert lease(fake)["holderIdentity"] == "b"


def test_a_holder_that_sees_another_name_in_the_lease_no_longer_writes(fake: Any, replica: Any) -> None:
    first = replica("a")
    first.attempt()
    by_hand = fake.objects["leases", "forescale", LEASE_NAME]
    fake.put("leases", {**by_hand, "spec": {**by_hand["spec"], "holderIdentity": "b"}})
    first.attempt()
    assert not first.held()
