"""Deletion costs: whose they are, which are written, how fast, and by whom."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.cluster.connection import KubernetesApi
from app.cluster.deletion_cost import DeletionCosts
from app.cluster.pod_costs import ANNOTATION, MANAGER, PodCostIndex
from app.planning.draining import Drain, drain_of
from app.snapshot import Snapshot
from app.workloads.book import Book, PodCost
from tests.cluster.lease_and_clock import Clock, Seat

WEB = ("mcp", "Deployment", "web")
Pod = Callable[..., dict[str, Any]]


def annotated(item: dict[str, Any], cost: str, *managers: str) -> dict[str, Any]:
    fields = {"f:metadata": {"f:annotations": {".": {}, f"f:{ANNOTATION}": {}}}}
    item["metadata"]["annotations"] = {ANNOTATION: cost}
    item["metadata"]["managedFields"] = [{"manager": one, "fieldsV1": fields} for one in managers] + [
        {"manager": "kubelet", "fieldsV1": {"f:status": {}}}
    ]
    return item


@pytest.fixture
def index() -> PodCostIndex:
    return PodCostIndex()


def only(index: PodCostIndex) -> PodCost:
    (found,) = index.of([WEB])[WEB]
    return found


def test_a_pod_has_no_cost_until_one_is_written(index: PodCostIndex, pod: Pod) -> None:
    index.put(pod())
    assert only(index) == PodCost("web-1", "uid-web-1", None, False)
    index.put(annotated(pod(), "12", MANAGER))
    assert only(index) == PodCost("web-1", "uid-web-1", 12, False)


@pytest.mark.parametrize("managers", [("kubectl-annotate",), (MANAGER, "other-controller"), ()])
def test_a_cost_that_anybody_else_owns_is_foreign(index: PodCostIndex, pod: Pod, managers: tuple[str, ...]) -> None:
    """Without managedFields too: then it came with the template, or nobody knows."""
    index.put(annotated(pod(), "12", *managers))
    assert only(index).foreign


def test_a_cost_that_is_no_number_is_foreign(index: PodCostIndex, pod: Pod) -> None:
    index.put(annotated(pod(), "low", MANAGER))
    assert only(index) == PodCost("web-1", "uid-web-1", None, True)


def test_pods_that_go_are_gone(index: PodCostIndex, pod: Pod) -> None:
    for name in ("a", "b", "c"):
        index.put(pod(name))
    index.put(pod("a", deleting=True))
    index.remove(pod("b"))
    assert [one.name for one in index.of([WEB])[WEB]] == ["c"]
    index.keep_only(set())
    assert index.of([WEB]) == {WEB: ()}


def test_pods_of_others_are_not_given(index: PodCostIndex, pod: Pod) -> None:
    index.put(pod("db-0", owner=("StatefulSet", "db")))
    index.put(pod("alone", owner=None))
    assert index.of([WEB]) == {WEB: ()}
    assert index.of([]) == {}


@pytest.fixture
def writer(api: KubernetesApi, seat: Seat, clock: Clock) -> DeletionCosts:
    made = DeletionCosts(api, lease=seat, monotonic=clock)
    made._started = True  # the test is its thread
    return made


@pytest.fixture
def state(fake: Any, pod: Pod, make_forecast: Any, make_snapshot: Any) -> Callable[..., Snapshot]:
    """state({pod: sessions}, {pod: cost}, ...) -> what a pass would find; the pods are in the API."""

    def make(sessions: dict[str, float], written: dict[str, int] | None = None, **block: Any) -> Snapshot:
        for name in sessions:
            if ("pods", "mcp", name) not in fake.objects:
                fake.put("pods", pod(name))
        costs = [PodCost(name, f"uid-{name}", (written or {}).get(name)) for name in sessions]
        forecast = make_forecast("web", drain={"query": "q", **block})
        drains: dict[str, Drain] = {"mcp/web": drain_of(costs, sessions)}
        found: Snapshot = make_snapshot(forecasts=(forecast,), drains=drains)
        return found

    return make


def costs(fake: Any) -> dict[str, str]:
    return {
        name: item["metadata"]["annotations"][ANNOTATION]
        for (resource, _, name), item in fake.objects.items()
        if resource == "pods" and "annotations" in item["metadata"]
    }


def test_costs_are_written_as_ours_and_nothing_else_is(fake: Any, writer: DeletionCosts, state: Any) -> None:
    writer.publish(state({"a": 3, "b": 0}), Book(), now=0)
    assert writer.write_due() == 1
    assert costs(fake) == {"a": "3"}
    (method, path, query, headers, body) = fake.requests[-1]
    assert (method, path) == ("PATCH", "/api/v1/namespaces/mcp/pods/a")
    assert query == {"fieldManager": MANAGER}
    assert headers["content-type"] == "application/merge-patch+json"
    assert body == {"metadata": {"uid": "uid-a", "annotations": {ANNOTATION: "3"}}}


def test_a_write_is_not_repeated_until_it_has_come_back(
    fake: Any, writer: DeletionCosts, state: Any, clock: Clock
) -> None:
    writer.publish(state({"a": 3}), Book(), now=0)
    assert [writer.write_due(), writer.write_due()] == [1, 0]
    clock.now_s = 9
    assert writer.write_due() == 0
    clock.now_s = 11
    assert writer.write_due() == 1
    writer.publish(state({"a": 3}, {"a": 3}), Book(), now=0)
    clock.now_s = 30
    assert writer.write_due() == 0


def test_a_workload_has_so_many_writes_a_minute_and_no_more(writer: DeletionCosts, state: Any, clock: Clock) -> None:
    sessions = {f"pod-{number}": 10 + number for number in range(5)}
    writer.publish(state(sessions, maxPatchesPerMinute=2), Book(), now=0)
    assert writer.write_due() == 2
    clock.now_s = 59
    writer.publish(state(sessions, maxPatchesPerMinute=2), Book(), now=0)
    assert writer.write_due() == 0
    clock.now_s = 60
    assert writer.write_due() == 2


def test_whoever_does_not_hold_the_lease_writes_nothing(
    fake: Any, writer: DeletionCosts, state: Any, seat: Seat
) -> None:
    seat.taken = False
    writer.publish(state({"a": 3}), Book(), now=0)
    assert writer.write_due() == 0
    assert not fake.made("PATCH", "/pods/")


def test_what_was_found_long_ago_is_not_written(writer: DeletionCosts, state: Any, clock: Clock) -> None:
    writer.publish(state({"a": 3}), Book(), now=0)
    clock.now_s = 61
    assert writer.write_due() == 0


def test_a_pod_that_is_gone_does_not_hold_up_the_others(fake: Any, writer: DeletionCosts, state: Any) -> None:
    snapshot = state({"a": 30, "b": 3})
    fake.delete("pods", "mcp", "a")
    writer.publish(snapshot, Book(), now=0)
    assert writer.write_due() == 2
    assert costs(fake) == {"b": "3"}


def test_another_pod_of_the_same_name_is_left_alone(fake: Any, writer: DeletionCosts, state: Any, pod: Pod) -> None:
    snapshot = state({"a": 30})
    fake.delete("pods", "mcp", "a")
    fake.put("pods", json.loads(json.dumps(pod("a")).replace("uid-a", "uid-new")))
    writer.publish(snapshot, Book(), now=0)
    writer.write_due()
    assert costs(fake) == {}


def test_without_the_right_it_says_so_and_waits(
    fake: Any, writer: DeletionCosts, state: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fake.fail_next("PATCH", "/pods/", 403)
    writer.publish(state({"a": 30, "b": 3}), Book(), now=0)
    assert writer.write_due() == 0
    assert "k8s/components/drain has the right" in caplog.text
    clock.now_s = 59
    assert writer.write_due() == 0
    clock.now_s = 60
    assert writer.write_due() == 2


def test_what_is_not_due_costs_no_request(fake: Any, writer: DeletionCosts, state: Any) -> None:
    writer.publish(state({"a": 10, "b": 0}, {"a": 11}), Book(), now=0)
    assert writer.write_due() == 0
    assert fake.requests == []
