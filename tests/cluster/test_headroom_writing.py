"""What holds room is written by whom, when, and what happens to what is wanted no more."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.cluster.headroom import HeadroomWriter
from app.cluster.holders import MANAGED_BY, buffer_for, holder_name
from app.planning.headroom import Room
from app.snapshot import Snapshot
from app.workloads.book import Book
from app.workloads.nodes import Nodes
from app.workloads.spec import LoadForecast
from tests.cluster.lease_and_clock import Clock, Seat

BUFFER = ("capacitybuffers", "mcp", holder_name("web"))
BALLOONS = ("deployments", "mcp", holder_name("web"))


@pytest.fixture
def publish(
    headroom_writer: HeadroomWriter, make_forecast: Callable[..., LoadForecast], make_snapshot: Callable[..., Snapshot]
) -> Callable[..., int]:
    """publish(pods, provisioning=) -> room for so many pods of mcp/web, written; returns how many writes there were."""

    def run(pods: float, *, provisioning: str = "CapacityBuffer", book: Book | None = None) -> int:
        forecast = make_forecast("web")
        spec = forecast.spec.model_copy(update={"nodes": Nodes(provisioning=provisioning)})  # type: ignore[arg-type]
        forecast = forecast.model_copy(update={"spec": spec, "namespace": "mcp", "uid": "uid-web"})
        one = np.array([pods])
        wanted = Room(np.array([0]), one, one, np.array([60]), ("Floor",))
        room = Room.unwanted() if provisioning == "None" else wanted
        snapshot = dataclasses.replace(make_snapshot(forecasts=(forecast,)), room=room)
        headroom_writer._latest = (snapshot, book or Book(forecasts=(forecast,)))
        return headroom_writer.write_due()

    return run


Publish = Callable[..., int]


def test_room_is_written_once_and_again_when_it_changes(fake: Any, publish: Publish) -> None:
    assert [publish(3), publish(3), publish(5), publish(0)] == [1, 0, 1, 1]
    assert fake.objects[BUFFER]["spec"]["replicas"] == 0
    assert [one["spec"]["replicas"] for one in fake.made("PATCH", "capacitybuffers")] == [3, 5, 0]


def test_a_number_that_is_not_known_leaves_what_is_held(fake: Any, publish: Publish) -> None:
    publish(3)
    assert publish(math.nan) == 0
    assert fake.objects[BUFFER]["spec"]["replicas"] == 3


def test_only_the_holder_of_the_lease_writes_and_a_new_one_starts_from_what_is_there(
    fake: Any, publish: Publish, seat: Seat
) -> None:
    seat.taken = False
    assert publish(3) == 0
    assert fake.requests == []
    fake.put("capacitybuffers", buffer_for(of_web(), pods=3))
    seat.taken = True
    assert publish(3) == 0
    assert fake.made("PATCH", "capacitybuffers") == []


def test_what_somebody_else_changed_is_taken_back_within_a_minute(fake: Any, publish: Publish, clock: Clock) -> None:
    publish(3)
    fake.objects[BUFFER]["spec"]["replicas"] = 300
    assert publish(3) == 0
    clock.now_s = 61
    assert publish(3) == 1
    assert fake.objects[BUFFER]["spec"]["replicas"] == 3


def test_room_that_nobody_wants_any_more_goes(fake: Any, publish: Publish) -> None:
    publish(3)
    assert publish(3, provisioning="None") == 1
    assert BUFFER not in fake.objects


def test_objects_of_others_are_left_alone(fake: Any, publish: Publish) -> None:
    for name, labels in (("forescale-headroom-x", {}), ("mine", MANAGED_BY)):
        fake.put("capacitybuffers", {"metadata": {"name": name, "namespace": "mcp", "labels": labels}})
    publish(3)
    assert len([key for key in fake.objects if key[0] == "capacitybuffers"]) == 3


def test_the_room_of_a_loadforecast_that_became_unusable_stays(fake: Any, publish: Publish) -> None:
    publish(3)
    assert (
        publish(3, provisioning="None", book=Book(rejected={"mcp/web": "capacityPerPod: must be greater than 0"})) == 0
    )
    assert BUFFER in fake.objects


def test_balloons_are_shaped_by_the_target_and_written_anew_every_minute(
    fake: Any, publish: Publish, clock: Clock
) -> None:
    container = {"name": "app", "resources": {"requests": {"cpu": "1"}}}
    target = {
        "metadata": {"name": "web", "namespace": "mcp"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    fake.put("deployments", target)
    assert publish(2, provisioning="BalloonPods") == 1
    assert publish(2, provisioning="BalloonPods") == 0
    container["resources"]["requests"]["cpu"] = "2"  # type: ignore[index]
    clock.now_s = 61
    assert publish(2, provisioning="BalloonPods") == 1
    pod = fake.objects[BALLOONS]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "2"}


def test_from_balloons_to_a_buffer_and_nothing_is_held_twice(fake: Any, publish: Publish) -> None:
    fake.put("deployments", {"metadata": {"name": "web", "namespace": "mcp"}, "spec": {"template": {"spec": {}}}})
    publish(2, provisioning="BalloonPods")
    assert publish(2, provisioning="CapacityBuffer") == 2
    assert BUFFER in fake.objects
    assert BALLOONS not in fake.objects


def test_balloons_that_are_not_allowed_are_told_and_not_made(
    fake: Any, headroom_writer: HeadroomWriter, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    headroom_writer._api.kinds = ("CapacityBuffer",)
    assert publish(2, provisioning="BalloonPods") == 0
    assert "mcp/web wants BalloonPods" in caplog.text
    assert not [key for key in fake.objects if key[0] == "deployments"]


@pytest.mark.parametrize(("status", "words"), [(403, "k8s/nodes/headroom"), (404, "BalloonPods need no such API")])
def test_a_refusal_says_what_is_missing_and_is_tried_again_later(
    fake: Any, publish: Publish, clock: Clock, caplog: pytest.LogCaptureFixture, status: int, words: str
) -> None:
    fake.fail_next("PATCH", "capacitybuffers", status)
    publish(3)
    assert words in caplog.text
    assert publish(3) == 0
    clock.now_s = 11
    assert publish(3) == 1
    assert fake.objects[BUFFER]["spec"]["replicas"] == 3


def test_an_api_without_buffers_is_no_trouble_for_balloons(fake: Any, publish: Publish) -> None:
    fake.put("deployments", {"metadata": {"name": "web", "namespace": "mcp"}, "spec": {"template": {"spec": {}}}})
    fake.fail_next("GET", "capacitybuffers", 404)
    assert publish(2, provisioning="BalloonPods") == 1


def of_web() -> LoadForecast:
    spec = {"targetRef": {"name": "web"}, "demand": {"query": "q"}, "capacityPerPod": 1}
    metadata = {"name": "web", "namespace": "mcp", "uid": "uid-web"}
    return LoadForecast.from_object(
        {"apiVersion": "forescale.dev/v1alpha1", "kind": "LoadForecast", "metadata": metadata, "spec": spec}
    )
