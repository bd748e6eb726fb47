"""What is written into the status, by whom, how often, and in which order."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kubernetes import client

from app.cluster.keeper import Shelf
from app.cluster.status import StatusPublisher
from app.planning.headroom import Room
from app.settings import Settings
from app.snapshot import Snapshot
from app.workloads.book import Book, LeadTime
from app.workloads.spec import API_VERSION, KIND
from tests.conftest import economics_of

NOW = 1_700_000_020.0  # ten seconds after the cut of make_snapshot


class Seat:
    """A lease that the test gives and takes."""

    def __init__(self) -> None:
        self.taken = True

    def held(self) -> bool:
        return self.taken

    def start(self) -> None: ...

    def close(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def seat() -> Seat:
    return Seat()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def publisher(connected: client.ApiClient, settings: Settings, seat: Seat, clock: Clock) -> StatusPublisher:
    made = StatusPublisher(connected, settings, lease=seat, monotonic=clock)
    made._started = True  # the test is its thread
    return made


@pytest.fixture
def cluster(fake: Any) -> Callable[..., Book]:
    """cluster(names, bad=names) -> puts LoadForecasts into the API; `book()` then reads them back."""

    def fill(*names: str, bad: tuple[str, ...] = (), **spec: Any) -> Book:
        for name in (*names, *bad):
            spec_of = {"targetRef": {"name": name}, "demand": {"query": "q"}, "capacityPerPod": 10, **spec}
            if name in bad:
                spec_of["capacityPerPod"] = 0
            fake.put(
                "loadforecasts",
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "metadata": {"name": name, "namespace": "mcp", "uid": f"uid-{name}", "generation": 3},
                    "spec": spec_of,
                },
            )
        return read(fake)

    return fill


def read(fake: Any, **measured: LeadTime) -> Book:
    shelf = Shelf()
    for (resource, _, _), item in fake.objects.items():
        if resource == "loadforecasts":
            shelf.put(item)
    entries, forecasts, rejected = shelf.contents()
    leads = {key: entry.lead for key, entry in entries.items() if entry.lead}
    return Book(
        forecasts=forecasts,
        leads=leads,
        rejected=rejected,
        measured={f"mcp/{name}": lead for name, lead in measured.items()},
        recorded={key: entry.recorded for key, entry in entries.items()},
        prices={key: entry.price for key, entry in entries.items() if entry.price is not None},
    )


def status(fake: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = fake.objects["loadforecasts", "mcp", name]["status"]
    return found


def condition(fake: Any, name: str, kind: str) -> dict[str, Any]:
    return next(one for one in status(fake, name)["conditions"] if one["type"] == kind)


def written(fake: Any) -> list[str]:
    return [path.split("/")[-2] for method, path, *_ in fake.requests if method == "PATCH"]


def test_the_price_by_what_a_pool_costs_is_written_once_and_again_only_for_a_tenth(
    fake: Any, publisher: StatusPublisher, clock: Clock, cluster: Any, make_snapshot: Any
) -> None:
    """Every replica plans with it, and each change is a refit."""
    cluster("web", costs={"pool": "spot", "missedPodMinute": "0.05"})
    for measured, expected in ((50.0, "50"), (54.0, "50"), (60.0, "60"), (np.nan, "60")):
        book = read(fake)
        economics = dataclasses.replace(economics_of(book.forecasts), measured_price=np.array([measured]))
        snapshot = make_snapshot(forecasts=book.forecasts, economics=economics)
        publisher.publish(snapshot, book, now=NOW)
        clock.now_s += 61
        publisher.write_due()
        assert status(fake, "web")["missingPodPrice"] == expected
    assert read(fake).prices == {"mcp/web": 60.0}
    cluster("web", costs={"podMinute": "0.001", "missedPodMinute": "0.05"})
    assert read(fake).prices == {}, "fixed costs need no pool's price"


def test_room_on_nodes_is_told_while_something_provides_it(
    fake: Any, connected: client.ApiClient, settings: Settings, seat: Seat, cluster: Any, make_snapshot: Any
) -> None:
    book = cluster("web", nodes={"provisioning": "CapacityBuffer"})
    book = dataclasses.replace(book, node_measured={"mcp/web": LeadTime(95, "Measured", 7)})
    room = Room(np.array([0]), np.array([12.0]), np.array([9.0]), np.array([240]), ("Fallback",))
    snapshot = dataclasses.replace(make_snapshot(forecasts=book.forecasts), room=room)
    for provided, expected in (
        (
            "buffers",
            {"leadSeconds": 95, "leadOrigin": "Measured", "leadSamples": 7, "podsAhead": 12, "headroomPods": 9},
        ),
        ("off", None),
    ):
        allowed = settings.model_copy(update={"node_headroom": provided})
        publisher = StatusPublisher(connected, allowed, lease=seat, monotonic=Clock())
        publisher._started = True
        publisher.publish(snapshot, book, now=NOW)
        assert publisher.write_due() == 1
        shown = status(fake, "web").get("nodes")
        assert shown == (expected and {"provisioning": "CapacityBuffer", **expected})


def test_a_served_workload_shows_its_numbers(
    fake: Any, publisher: StatusPublisher, cluster: Any, make_snapshot: Any
) -> None:
    book = cluster("web")
    snapshot = make_snapshot(forecasts=book.forecasts, served=np.array([12.3451]), skill=np.array([-0.1]))
    publisher.publish(snapshot, book, now=NOW)
    assert publisher.write_due() == 1
    shown = status(fake, "web")
    conditions = shown.pop("conditions")
    assert shown == {
        "observedGeneration": 3,
        "leadSeconds": 120,
        "leadOrigin": "Fallback",
        "leadSamples": 0,
        "servedValue": "12346m",
        "demandValue": "10",
        "requiredValue": "20",
        "coverage": "0.940",
        "skill": "-0.100",
        "lastForecastTime": "2023-11-14T22:13:30Z",
    }
    assert [(one["type"], one["status"], one["reason"]) for one in conditions] == [
        ("Ready", "True", "ForecastActs"),
        ("Fresh", "True", "DataIsFresh"),
        ("Acting", "True", "ForecastActs"),
    ]
    assert {one["observedGeneration"] for one in conditions} == {3}


def test_a_refused_workload_shows_no_number_and_says_why(
    fake: Any, publisher: StatusPublisher, cluster: Any, make_snapshot: Any
) -> None:
    book = cluster("web")
    columns = {
        "served": np.array([np.nan]),
        "data_s": np.array([np.nan]),
        "reason": ("SourceUnavailable",),
        "notes": {"mcp/web": "connection refused"},
    }
    publisher.publish(make_snapshot(forecasts=book.forecasts, **columns), book, now=NOW)
    publisher.write_due()
    assert "servedValue" not in status(fake, "web")
    ready, fresh, acting = (condition(fake, "web", kind) for kind in ("Ready", "Fresh", "Acting"))
    assert (ready["status"], ready["reason"]) == ("False", "SourceUnavailable")
    assert "connection refused" in ready["message"]
    assert "does not scale in" in ready["message"]
    assert (fresh["status"], fresh["reason"]) == ("False", "SourceUnavailable")
    assert acting["status"] == "False"


def test_a_pipeline_that_stands_still_goes_stale_in_status_too(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    book = cluster("web")
    snapshot = make_snapshot(forecasts=book.forecasts)
    publisher.publish(snapshot, book, now=NOW)
    publisher.write_due()
    publisher.publish(snapshot, read(fake), now=NOW)
    clock.now_s += 161  # the newest sample was 20 s old
    publisher.write_due()
    fresh = condition(fake, "web", "Fresh")
    assert (fresh["status"], fresh["reason"]) == ("False", "Stale")
    assert "2023-11-14T22:13:20Z, more than 180 s ago" in fresh["message"]
    assert condition(fake, "web", "Ready")["reason"] == "Stale"
    assert condition(fake, "web", "Acting")["status"] == "False"
    assert "servedValue" not in status(fake, "web")


def test_an_invalid_loadforecast_says_what_to_change(
    fake: Any, publisher: StatusPublisher, cluster: Any, make_snapshot: Any
) -> None:
    book = cluster("web", bad=("wrong",))
    publisher.publish(make_snapshot(forecasts=book.forecasts), book, now=NOW)
    assert publisher.write_due() == 2
    ready = condition(fake, "wrong", "Ready")
    assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", "Invalid", 3)
    assert "capacityPerPod" in ready["message"]
    assert condition(fake, "wrong", "Fresh")["status"] == "Unknown"
    assert condition(fake, "web", "Ready")["status"] == "True"


def test_a_loadforecast_that_no_pass_has_seen_yet_waits(
    fake: Any, publisher: StatusPublisher, cluster: Any, make_snapshot: Any
) -> None:
    snapshot = make_snapshot(forecasts=cluster("web").forecasts)
    book = cluster("new")
    publisher.publish(snapshot, book, now=NOW)
    publisher.write_due()
    assert {one["status"] for one in status(fake, "new")["conditions"]} == {"Unknown"}
    assert condition(fake, "new", "Ready")["reason"] == "Starting"
    assert status(fake, "new")["leadSeconds"] == 120


def test_transition_times_stay_until_the_status_of_a_condition_changes(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    book = cluster("web")
    snapshot = make_snapshot(forecasts=book.forecasts)
    publisher.publish(snapshot, book, now=NOW)
    publisher.write_due()
    began = condition(fake, "web", "Ready")["lastTransitionTime"]
    clock.now_s += 20
    shadow = dataclasses.replace(snapshot, reason=("Shadow",), acting=np.array([False]), data_s=np.array([NOW + 20]))
    publisher.publish(shadow, read(fake), now=NOW + 20)
    publisher.write_due()
    assert condition(fake, "web", "Ready")["reason"] == "Shadow"
    assert condition(fake, "web", "Ready")["lastTransitionTime"] == began == "2023-11-14T22:13:40Z"
    assert condition(fake, "web", "Acting")["lastTransitionTime"] == "2023-11-14T22:14:00Z"


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


def test_the_writers_measurement_becomes_the_lead_that_all_replicas_plan_with(
    fake: Any, publisher: StatusPublisher, cluster: Any, make_snapshot: Any
) -> None:
    snapshot = make_snapshot(forecasts=cluster("web").forecasts)
    publisher.publish(snapshot, read(fake, web=LeadTime(30, "Measured", 4)), now=NOW)
    publisher.write_due()
    assert read(fake).leads == {"mcp/web": LeadTime(30, "Measured", 4)}


def test_a_small_change_of_the_measurement_changes_nothing(
    fake: Any, publisher: StatusPublisher, cluster: Any, clock: Clock, make_snapshot: Any
) -> None:
    snapshot = make_snapshot(forecasts=cluster("web").forecasts)
    publisher.publish(snapshot, read(fake, web=LeadTime(30, "Measured", 4)), now=NOW)
    publisher.write_due()
    clock.now_s += 15
    publisher.publish(snapshot, read(fake, web=LeadTime(25, "Measured", 9)), now=NOW)
    assert publisher.write_due() == 0


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


def test_an_object_made_anew_under_the_same_name_is_not_given_the_old_ones_status(
    fake: Any, publisher: StatusPublisher, cluster: Any, make_snapshot: Any
) -> None:
    book = cluster("web")
    fake.objects["loadforecasts", "mcp", "web"]["metadata"] = {
        **fake.objects["loadforecasts", "mcp", "web"]["metadata"],
        "uid": "another",
    }
    publisher.publish(make_snapshot(forecasts=book.forecasts), book, now=NOW)
    publisher.write_due()
    assert "status" not in fake.objects["loadforecasts", "mcp", "web"]


def test_publishing_starts_the_threads_once_and_closing_ends_them(
    fake: Any, connected: client.ApiClient, settings: Settings, make_snapshot: Callable[..., Snapshot]
) -> None:
    publisher = StatusPublisher(connected, settings)
    for _ in range(2):
        publisher.publish(make_snapshot(1), Book(), now=NOW)
    publisher.close()
    assert not publisher._thread.is_alive()
