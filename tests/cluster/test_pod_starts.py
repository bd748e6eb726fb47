"""What the pods say about how long a start takes."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from app.cluster.pods import PodIndex, target_of

WEB = ("mcp", "Deployment", "web")
Pod = Callable[..., dict[str, Any]]


@pytest.fixture
def index() -> PodIndex:
    return PodIndex()


def seconds(index: PodIndex) -> list[float]:
    return [start.seconds for start in index.starts(WEB)]


def test_a_start_lasts_from_creation_to_the_ready_condition(index: PodIndex, pod: Pod) -> None:
    index.put(pod(created=5))
    assert seconds(index) == []
    index.put(pod(created=5, started=20, ready=37))
    assert seconds(index) == [32]
    assert index.ready([WEB]) == [1]


def test_flapping_readiness_is_not_a_second_start(index: PodIndex, pod: Pod) -> None:
    index.put(pod(started=10, ready=30))
    index.put(pod(started=10, unready=400))
    assert index.ready([WEB]) == [0]
    index.put(pod(started=10, ready=420))
    assert seconds(index) == [30]
    assert index.ready([WEB]) == [1]


def test_a_pod_that_went_unready_after_its_containers_started_was_ready_before(index: PodIndex, pod: Pod) -> None:
    """A replica that comes up while a pod flaps must not take the pod's age for a start."""
    index.put(pod(created=0, started=10, unready=900))
    index.put(pod(created=0, started=10, ready=930))
    assert seconds(index) == []


def test_a_pod_met_while_it_starts_counts_when_it_becomes_ready(index: PodIndex, pod: Pod) -> None:
    index.put(pod(created=0, started=10, unready=2))
    index.put(pod(created=0, started=10, ready=930))
    assert seconds(index) == [930]


def test_a_restarted_pod_met_when_ready_does_not_count(index: PodIndex, pod: Pod) -> None:
    index.put(pod(started=200, ready=210, restarts=1))
    index.put(pod("other", started=200, unready=210, restarts=1))
    index.put(pod("other", started=200, ready=260, restarts=1))
    assert seconds(index) == []


def test_a_pod_met_ready_long_after_its_containers_started_does_not_count(index: PodIndex, pod: Pod) -> None:
    index.put(pod("slow", started=10, ready=609))
    index.put(pod("flapped", started=10, ready=612))
    assert seconds(index) == [609]


def test_a_start_of_more_than_an_hour_waited_for_something_else(index: PodIndex, pod: Pod) -> None:
    index.put(pod(created=0))
    index.put(pod(created=0, started=3590, ready=3601))
    assert seconds(index) == []


def test_a_pod_that_does_not_tell_since_when_it_is_ready_is_ready_and_shows_no_start(index: PodIndex, pod: Pod) -> None:
    """lastTransitionTime is optional in the API, which then sends null."""
    untold = pod(started=10, ready=30)
    untold["status"]["conditions"][0]["lastTransitionTime"] = None
    index.put(pod())
    index.put(untold)
    assert index.ready([WEB]) == [1]
    index.put(pod(started=10, unready=400))
    index.put(pod(started=10, ready=420))
    assert seconds(index) == []


def test_clocks_that_disagree_make_no_negative_start(index: PodIndex, pod: Pod) -> None:
    index.put(pod(created=30, ready=29))
    assert seconds(index) == []


def test_starts_of_deleted_pods_still_count_but_the_pods_are_not_ready(index: PodIndex, pod: Pod) -> None:
    index.put(pod(started=5, ready=30))
    index.put(pod("second", started=5, ready=40))
    index.remove(pod(started=5, ready=30))
    assert sorted(seconds(index)) == [30, 40]
    assert index.ready([WEB]) == [1]


def test_a_pod_being_deleted_is_not_ready(index: PodIndex, pod: Pod) -> None:
    index.put(pod(started=5, ready=30))
    index.put(pod(started=5, ready=30, deleting=True))
    assert index.ready([WEB]) == [0]


def test_a_second_list_drops_unseen_pods_and_counts_nothing_twice(index: PodIndex, pod: Pod) -> None:
    for name in ("a", "b", "c"):
        index.put(pod(name, started=5, ready=30))
    index.put(pod("a", started=5, ready=30))
    index.keep_only({"uid-a", "uid-c"})
    assert index.ready([WEB]) == [2]
    assert len(seconds(index)) == 3


def test_the_newest_twenty_starts_are_kept(index: PodIndex, pod: Pod) -> None:
    for number in range(25):
        index.put(pod(f"web-{number}", created=number, started=number, ready=number + 30 + number))
    assert sorted(seconds(index)) == [30.0 + number for number in range(5, 25)]


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        (("ReplicaSet", "web-7d9f"), {"pod-template-hash": "7d9f"}, ("mcp", "Deployment", "web")),
        (("ReplicaSet", "web-7d9f"), {}, ("mcp", "ReplicaSet", "web-7d9f")),
        (("ReplicaSet", "web"), {"pod-template-hash": "7d9f"}, ("mcp", "ReplicaSet", "web")),
        (("StatefulSet", "db"), {}, ("mcp", "StatefulSet", "db")),
        (None, {}, None),
    ],
)
def test_the_target_is_read_off_the_pod_itself(
    pod: Pod, owner: tuple[str, str] | None, labels: dict[str, str], expected: tuple[str, str, str] | None
) -> None:
    assert target_of(pod(owner=owner, labels=labels)["metadata"]) == expected


def test_pods_of_nobody_are_not_kept(index: PodIndex, pod: Pod) -> None:
    index.put(pod(owner=None, ready=30))
    index.remove(pod(owner=None, ready=30))
    assert index.ready([WEB]) == [0]


def test_a_pod_costs_hundreds_of_bytes_not_tens_of_thousands(index: PodIndex, pod: Pod) -> None:
    index.put(pod(ready=30))
    kept = next(iter(index._pods.values()))
    assert not hasattr(kept, "__dict__")
    assert sys.getsizeof(kept) < 100


def test_the_wait_for_a_node_is_told_apart(index: PodIndex, pod: Pod) -> None:
    item = pod(created=5, started=20, ready=37)
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastTransitionTime": pod(created=15)["metadata"]["creationTimestamp"],
    }
    item["status"]["conditions"].append(scheduled)
    index.put(item)
    (start,) = index.starts(WEB)
    assert (start.seconds, start.placing_seconds, start.placed.seconds) == (32, 10, 22)
