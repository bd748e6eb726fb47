"""Which pods go first, as REST says it."""

from collections.abc import Callable
from typing import Any

from app.planning.draining import drain_of
from app.snapshot import Snapshot
from app.workloads.book import PodCost
from tests.serving.test_parts import scraped
from tests.serving.test_rest_answers import ONE, Caller

MakeSnapshot = Callable[..., Snapshot]


async def drain(make_snapshot: MakeSnapshot, **columns: Any) -> Any:
    return await Caller(make_snapshot(3, **columns)).json(f"{ONE}/drain")


async def test_pods_come_in_the_order_in_which_they_would_go(make_snapshot: MakeSnapshot) -> None:
    pods = [PodCost("a", "1", 9), PodCost("b", "2"), PodCost("c", "3", 50, True)]
    found = await drain(make_snapshot, drains={"mcp/workload-00001": drain_of(pods, {"a": 9, "b": 2, "c": 1})})
    assert [(one["name"], one["sessions"], one["cost"], one["written"], one["due"]) for one in found["pods"]] == [
        ("b", 2, 2, None, True),
        ("a", 9, 9, 9, False),
        ("c", 1, None, 50, False),
    ]
    assert found["text"] == (
        "Of pods that are ready b goes first, with 2 sessions. 1 of 3 costs are still to be written. "
        "1 were written by somebody else and stay."
    )
    assert found["note"] == ""


async def test_what_is_not_known_is_said(make_snapshot: MakeSnapshot) -> None:
    unknown = drain_of([PodCost("a", "1")], {}, note="SourceUnavailable: connection refused")
    found = await drain(make_snapshot, drains={"mcp/workload-00001": unknown})
    assert found["text"] == "Of pods that are ready a goes first, with an unknown number of sessions."
    assert found["note"] == "SourceUnavailable: connection refused"


async def test_without_the_block_there_are_no_pods(make_snapshot: MakeSnapshot) -> None:
    found = await drain(make_snapshot)
    assert (found["pods"], found["note"]) == ([], "spec.drain is not set")


def test_pods_are_counted_by_what_becomes_of_their_cost(make_snapshot: MakeSnapshot) -> None:
    pods = [PodCost("a", "1", 9), PodCost("b", "2"), PodCost("c", "3", 50, True), PodCost("d", "4"), PodCost("e", "5")]
    drains = {"mcp/workload-00001": drain_of(pods, {"a": 9, "b": 2, "c": 1, "e": 7})}
    samples = scraped(make_snapshot(3, drains=drains))["forescale_drain_pods"].samples
    assert {one.labels["name"] for one in samples} == {"workload-00001"}
    assert {one.labels["state"]: one.value for one in samples} == {"right": 1, "due": 2, "foreign": 1, "unknown": 1}
