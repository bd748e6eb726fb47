"""At a forecast surge nodes are there before the pods that need them, and go afterwards."""

import os

import pytest

from tests.e2e.harness.pools import BALLOONED, BUFFERED, PLAIN, Watcher
from tests.e2e.harness.processes import wait_until
from tests.e2e.nodes.conftest import Scenario

BEFORE_SECONDS = 75  # of the surge: what room for it costs begins within these


def test_pods_wait_a_fifth_or_less_of_what_they_would_without_room(
    scenario: Scenario, surge: Watcher, capsys: pytest.CaptureFixture[str]
) -> None:
    since_s = scenario.surge_at_s - BEFORE_SECONDS
    pending = {name: surge.pending_seconds(name, since_s=since_s) for name in (PLAIN, BUFFERED, BALLOONED)}
    with capsys.disabled():
        print(f"\n{os.cpu_count()} cores; from {BEFORE_SECONDS} s before a surge of six times the load to its end")
        print(f"{'room held by':16s} pod-seconds Pending  node-minutes  node cost")
        for name, label in ((PLAIN, "nothing"), (BUFFERED, "CapacityBuffer"), (BALLOONED, "balloon pods")):
            minutes, cost = surge.node_minutes(name, since_s=since_s)
            print(f"{label:16s} {pending[name]:19.0f}  {minutes:12.1f}  {cost:9.5f}")
    assert pending[PLAIN] > 100, "pods without room must wait for their nodes, or nothing is shown"
    assert pending[BUFFERED] <= 0.2 * pending[PLAIN]
    assert pending[BALLOONED] <= 0.2 * pending[PLAIN]


@pytest.mark.parametrize("name", [BUFFERED, BALLOONED])
def test_nodes_are_ready_before_the_first_pod_asks_for_them(scenario: Scenario, surge: Watcher, name: str) -> None:
    calm = surge.looks[0].asked[name]
    first = next(one for one in surge.looks if one.asked.get(name, 0) > 3 * calm)
    assert first.nodes[name] * 3 >= first.asked[name]
    assert first.nodes[PLAIN] < first.nodes[name]


def test_nodes_go_after_the_surge(scenario: Scenario, surge: Watcher) -> None:
    wait_until(
        lambda: surge.latest(lambda look: all(count <= 1 for count in look.nodes.values())),
        seconds=90,
        what="each pool has one node again",
    )
