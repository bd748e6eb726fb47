"""Whose room is written first where not everything can be: nobody waits for ever behind what cannot be written."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.cluster.headroom import HeadroomWriter
from app.cluster.holders import buffer_for, holder_name
from app.planning.headroom import Room
from app.snapshot import Snapshot
from app.workloads.book import Book
from app.workloads.spec import LoadForecast
from tests.cluster.lease_and_clock import Clock

FAILING = [f"a{number:02d}" for number in range(45)]
"""Their balloons' template is that of a Deployment that is not there."""

Want = Callable[..., None]


@pytest.fixture
def want(
    headroom_writer: HeadroomWriter, make_forecast: Callable[..., LoadForecast], make_snapshot: Callable[..., Snapshot]
) -> Want:
    """want(name=provisioning, pods=3) -> three pods' room is wanted for each name, in this order."""

    def publish(*, pods: int = 3, **names: str) -> None:
        forecasts = tuple(make_forecast(name, nodes={"provisioning": kind}) for name, kind in names.items())
        count = len(forecasts)
        each = np.full(count, float(pods))
        room = Room(np.arange(count), each, each, np.full(count, 60), ("Floor",) * count)
        snapshot = dataclasses.replace(make_snapshot(forecasts=forecasts), room=room)
        headroom_writer._latest = (snapshot, Book(forecasts=forecasts))

    return publish


def seconds_of(headroom_writer: HeadroomWriter, clock: Clock, seconds: int) -> None:
    for _ in range(seconds):
        clock.now_s += 1
        headroom_writer.write_due()


def tried(fake: Any) -> list[str]:
    """LoadForecasts whose target's template was asked for."""
    return [path.rpartition("/")[2] for _, path, *_ in fake.requests if "/deployments/" in path]


def held(fake: Any) -> dict[str, int]:
    return {name: one["spec"]["replicas"] for (kind, _, name), one in fake.objects.items() if kind == "capacitybuffers"}


def test_many_whose_room_cannot_be_written_keep_nobody_waiting(
    fake: Any, headroom_writer: HeadroomWriter, want: Want, clock: Clock
) -> None:
    want(**dict.fromkeys(FAILING, "BalloonPods"), web="CapacityBuffer")
    seconds_of(headroom_writer, clock, 3)
    assert held(fake) == {holder_name("web"): 3}


def test_a_change_is_written_at_once_while_others_fail(
    fake: Any, headroom_writer: HeadroomWriter, want: Want, clock: Clock
) -> None:
    for pods in (3, 1):
        want(**dict.fromkeys(FAILING, "BalloonPods"), web="CapacityBuffer", pods=pods)
        seconds_of(headroom_writer, clock, 4)
    want(**dict.fromkeys(FAILING, "BalloonPods"), web="CapacityBuffer", pods=2)
    seconds_of(headroom_writer, clock, 1)
    assert held(fake) == {holder_name("web"): 2}


def test_what_failed_is_tried_again_in_turn_and_not_every_second(
    fake: Any, headroom_writer: HeadroomWriter, want: Want, clock: Clock
) -> None:
    want(**dict.fromkeys(FAILING, "BalloonPods"))
    seconds_of(headroom_writer, clock, 50)
    counts = [tried(fake).count(name) for name in FAILING]
    assert max(counts) - min(counts) <= 1
    assert 2 <= min(counts) <= max(counts) <= 3


def test_room_that_nobody_wants_goes_before_what_failed_is_tried_again(
    fake: Any, headroom_writer: HeadroomWriter, want: Want, clock: Clock, make_forecast: Callable[..., LoadForecast]
) -> None:
    unwanted = make_forecast("unwanted")
    fake.put("capacitybuffers", buffer_for(unwanted, pods=9))
    want(**dict.fromkeys(FAILING[:20], "BalloonPods"))
    seconds_of(headroom_writer, clock, 2)
    assert held(fake) == {}


def test_what_nobody_foresaw_about_one_keeps_nobody_waiting(
    fake: Any, headroom_writer: HeadroomWriter, want: Want, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {"resources": {"requests": {"cpu": "much"}}}
    fake.put(
        "deployments",
        {"metadata": {"name": "odd", "namespace": "mcp"}, "spec": {"template": {"spec": {"containers": [asked]}}}},
    )
    want(odd="BalloonPods", web="CapacityBuffer")
    seconds_of(headroom_writer, clock, 60)
    assert held(fake) == {holder_name("web"): 3}
    assert holder_name("odd") in caplog.text
    told = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) <= 6


def test_what_failed_and_then_was_written_is_written_at_once_again(
    fake: Any, headroom_writer: HeadroomWriter, want: Want, clock: Clock
) -> None:
    fake.fail_next("PATCH", "capacitybuffers", 403)
    want(web="CapacityBuffer")
    seconds_of(headroom_writer, clock, 12)
    assert held(fake) == {holder_name("web"): 3}
    for pods in (4, 5):
        want(web="CapacityBuffer", pods=pods)
        seconds_of(headroom_writer, clock, 1)
        assert held(fake) == {holder_name("web"): pods}
