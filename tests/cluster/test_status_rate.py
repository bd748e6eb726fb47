"""By whom status is written, how often, in which order, and what a failure holds up."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kubernetes import client

from app.cluster.status import StatusPublisher
from app.settings import Settings
from app.snapshot import Snapshot
from app.workloads.book import Book
from tests.cluster.lease_and_clock import Clock, Seat
from tests.cluster.statuses import NOW, condition, read, status, written


def test_numbers_that_move_are_written_once_a_minute_a_change_in_kind_at_once(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    book = cluster("web")

    def after(seconds: float, **columns: Any) -> int:
        clock.now_s += seconds
        now = NOW + clock.now_s
        snapshot = make_snapshot(forecasts=book.forecasts, data_s=np.array([now]), **columns)
        publisher.publish(snapshot, read(fake), now=now)
        return publisher.write_due()

    assert after(0) == 1
    assert after(15, served=np.array([500.0])) == 0
    assert after(30, served=np.array([600.0])) == 0
    assert after(15, served=np.array([700.0])) == 1
    assert status(fake, "web")["servedValue"] == "700"
    assert after(15, reason=("Shadow",)) == 1


def test_a_status_is_not_written_again_while_its_echo_is_on_the_way(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    """Transition times come from the status that was read; it must be the one that was written."""
    book = cluster("web")
    for reason, writes in (("ForecastActs", 1), ("Shadow", 1), ("Shadow", 2)):
        publisher.publish(make_snapshot(forecasts=book.forecasts, reason=(reason,)), book, now=NOW)
        publisher.write_due()
        assert len(written(fake)) == writes
        clock.now_s += 6
    assert condition(fake, "web", "Ready")["reason"] == "Shadow"


def test_a_change_does_not_wait_behind_a_long_queue_of_routine(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    names = [f"w{number:02d}" for number in range(90)]
    snapshot = make_snapshot(forecasts=cluster(*names).forecasts)
    publisher.publish(snapshot, read(fake), now=NOW)
    while publisher.write_due():
        pass
    clock.now_s += 70
    publisher.publish(snapshot, read(fake), now=NOW)
    assert publisher.write_due() == 20
    fake.requests.clear()
    clock.now_s += 6
    reasons = tuple("Shadow" if name == "w88" else "ForecastActs" for name in names)
    publisher.publish(dataclasses.replace(snapshot, reason=reasons), read(fake), now=NOW)
    publisher.write_due()
    assert written(fake)[0] == "w88"


def test_what_a_new_holder_finds_rightly_written_is_not_urgent(
    fake: Any, publisher: StatusPublisher, cluster: Any, seat: Seat, make_snapshot: Any
) -> None:
    snapshot = make_snapshot(forecasts=cluster(*(f"w{number:02d}" for number in range(30))).forecasts)
    publisher.publish(snapshot, read(fake), now=NOW)
    while publisher.write_due():
        pass
    seat.taken = False
    publisher.write_due()
    seat.taken = True
    fake.requests.clear()
    fake.objects["loadforecasts", "mcp", "w25"]["status"]["conditions"][0]["reason"] = "Learning"
    publisher.publish(snapshot, read(fake), now=NOW)
    publisher.write_due()
    assert written(fake)[0] == "w25"


def test_an_object_that_could_not_be_written_is_tried_again(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    book = cluster("a")
    publisher.publish(make_snapshot(forecasts=book.forecasts), book, now=NOW)
    fake.fail_next("PATCH", "/loadforecasts/a/", 422)
    publisher.write_due()
    clock.now_s += 11
    publisher.write_due()
    assert written(fake) == ["a", "a"]
    assert status(fake, "a")


def test_only_the_replica_with_the_lease_writes(
    fake: Any, publisher: StatusPublisher, cluster: Any, seat: Seat, make_snapshot: Any
) -> None:
    book = cluster("web")
    publisher.publish(make_snapshot(forecasts=book.forecasts), book, now=NOW)
    seat.taken = False
    assert publisher.write_due() == 0
    assert written(fake) == []
    seat.taken = True
    assert publisher.write_due() == 1


def test_writing_stops_in_the_middle_when_the_lease_is_lost(
    fake: Any, publisher: StatusPublisher, cluster: Any, seat: Seat, make_snapshot: Any
) -> None:
    book = cluster("a", "b", "c")
    publisher.publish(make_snapshot(forecasts=book.forecasts), book, now=NOW)
    answers = iter([True, True, True, False, False, False])
    seat.held = lambda: next(answers)  # type: ignore[method-assign]
    assert publisher.write_due() == 2


def test_a_fleet_is_written_at_a_bounded_rate_and_changes_come_first(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    names = [f"w{number:02d}" for number in range(50)]
    book = cluster(*names)
    snapshot = make_snapshot(forecasts=book.forecasts)
    publisher.publish(snapshot, book, now=NOW)
    assert [publisher.write_due() for _ in range(4)] == [20, 20, 10, 0]
    assert sorted(written(fake)) == names
    clock.now_s += 70
    fake.requests.clear()
    reasons = tuple("Shadow" if name == "w33" else "ForecastActs" for name in names)
    later = dataclasses.replace(snapshot, reason=reasons, data_s=np.full(50, NOW + 70))
    publisher.publish(later, read(fake), now=NOW + 70)
    publisher.write_due()
    assert written(fake)[0] == "w33"
    assert len(written(fake)) == 20


@pytest.mark.parametrize("code", [404, 409, 422])
def test_one_object_that_cannot_be_written_does_not_hold_up_the_others(
    fake: Any, publisher: StatusPublisher, cluster: Any, make_snapshot: Any, code: int
) -> None:
    book = cluster("a", "b")
    publisher.publish(make_snapshot(forecasts=book.forecasts), book, now=NOW)
    fake.fail_next("PATCH", "/loadforecasts/a/", code)
    publisher.write_due()
    assert written(fake) == ["a", "b"]
    assert status(fake, "b")


def test_an_api_in_trouble_is_left_alone_for_a_while(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    book = cluster("a", "b")
    publisher.publish(make_snapshot(forecasts=book.forecasts), book, now=NOW)
    fake.fail_next("PATCH", "/loadforecasts/a/", 429)
    assert publisher.write_due() == 0
    clock.now_s += 9
    assert publisher.write_due() == 0
    assert written(fake) == ["a"]
    clock.now_s += 2
    publisher.write_due()
    assert written(fake) == ["a", "a", "b"]


def test_publishing_starts_the_threads_once_and_closing_ends_them(
    fake: Any, connected: client.ApiClient, settings: Settings, make_snapshot: Callable[..., Snapshot]
) -> None:
    publisher = StatusPublisher(connected, settings)
    for _ in range(2):
        publisher.publish(make_snapshot(1), Book(), now=NOW)
    publisher.close()
    assert not publisher._thread.is_alive()
