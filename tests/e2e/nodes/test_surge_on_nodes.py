"""At a forecast surge nodes are there before the pods that need them, and go afterwards."""

import itertools
import os

import pytest

from tests.e2e.harness.pools import BALLOONED, BUFFERED, NAMESPACE, PLAIN
from tests.e2e.harness.processes import wait_until
from tests.e2e.nodes.conftest import NODE_START_SECONDS, Played, Scenario

BEFORE_SECONDS = 60  # of the surge: the room for it is asked for within these
PODS_PER_NODE = 3


def test_pods_wait_a_fifth_or_less_of_what_they_would_without_room(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    watcher, since_s = played.watcher, played.surge_at_s - BEFORE_SECONDS
    pending = {name: watcher.pending_seconds(name, since_s=since_s) for name in (PLAIN, BUFFERED, BALLOONED)}
    with capsys.disabled():
        print(f"\n{os.cpu_count()} cores; from {BEFORE_SECONDS} s before an elevenfold surge until its nodes are gone")
        print(f"a node needs {NODE_START_SECONDS} s to start; cost by the price on its label")
        print(f"{'room held by':16s} pod-seconds Pending  cut by  node-minutes  node cost")
        for name, label in ((PLAIN, "nothing"), (BUFFERED, "CapacityBuffer"), (BALLOONED, "balloon pods")):
            minutes, cost = watcher.node_minutes(name, since_s=since_s)
            cut = 1 - pending[name] / pending[PLAIN]
            print(f"{label:16s} {pending[name]:19.0f}  {cut:6.0%}  {minutes:12.1f}  {cost:9.5f}")
    assert pending[PLAIN] > 100, "pods without room must wait for their nodes, or nothing is shown"
    assert pending[BUFFERED] <= 0.2 * pending[PLAIN]
    assert pending[BALLOONED] <= 0.2 * pending[PLAIN]


@pytest.mark.parametrize(("name", "enough"), [(BUFFERED, True), (BALLOONED, True), (PLAIN, False)])
def test_nodes_are_ready_before_the_pods_are_asked_for_where_room_is_held(
    played: Played, name: str, enough: bool
) -> None:
    looks = [one for one in played.watcher.looks if one.time_s > played.surge_at_s - BEFORE_SECONDS]
    before, first = next(pair for pair in itertools.pairwise(looks) if pair[1].asked[name] > 3 * looks[0].asked[name])
    assert (before.nodes[name] * PODS_PER_NODE >= first.asked[name]) == enough


def test_nodes_go_after_the_surge(played: Played) -> None:
    assert played.gone_s is not None


def test_the_lead_of_nodes_is_measured_and_told(scenario: Scenario, played: Played) -> None:
    status = scenario.plane.get("loadforecast", BUFFERED, "-n", NAMESPACE)["status"]["nodes"]
    assert status["leadOrigin"] == "Measured"
    assert NODE_START_SECONDS <= status["leadSeconds"] <= 3 * NODE_START_SECONDS
    assert status["provisioning"] == "CapacityBuffer"
    assert "nodes" not in scenario.plane.get("loadforecast", PLAIN, "-n", NAMESPACE)["status"]


def test_room_that_is_wanted_no_more_goes_with_what_held_it(scenario: Scenario, played: Played) -> None:
    plane = scenario.plane
    off = '{"spec": {"nodes": {"provisioning": "None"}}}'
    for name in (BUFFERED, BALLOONED):
        plane.kubectl("patch", "loadforecast", name, "-n", NAMESPACE, "--type=merge", f"--patch={off}")

    def gone() -> bool:
        held = plane.get("capacitybuffers,deployments", "-n", NAMESPACE, "-l", "app.kubernetes.io/managed-by=forescale")
        return not held["items"]

    wait_until(gone, seconds=30, what="nothing holds room")
