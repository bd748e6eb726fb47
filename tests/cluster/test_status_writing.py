"""What is written into the status of LoadForecasts."""

import dataclasses
from typing import Any

import numpy as np
from kubernetes import client

from app.cluster.status import StatusPublisher
from app.planning.headroom import Room
from app.settings import Settings
from app.workloads.book import LeadTime
from tests.cluster.lease_and_clock import Clock, Seat
from tests.cluster.statuses import NOW, condition, read, status
from tests.conftest import economics_of


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
