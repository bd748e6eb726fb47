"""Where no further node may be had, batch gives way to servers, and never the other way round."""

from tests.e2e.harness import pools
from tests.e2e.harness.pools import NAMESPACE
from tests.e2e.harness.processes import wait_until
from tests.e2e.nodes.conftest import Scenario, shipped_pool

ROOM = 3  # pods of 1 CPU on the one node of 4 that the pool's limit allows
NODE_SECONDS = 90


def scheduled(scenario: Scenario, name: str) -> int:
    pods = scenario.plane.get("pods", "-n", NAMESPACE, "-l", f"app={name}")["items"]
    return sum(bool(pod["spec"].get("nodeName")) and "deletionTimestamp" not in pod["metadata"] for pod in pods)


def test_a_server_that_finds_no_room_takes_the_place_of_batch(scenario: Scenario) -> None:
    plane = scenario.plane
    plane.apply(pools.pool(shipped_pool(plane, "batch-spot"), "full", cpu=4))
    plane.apply(pools.deployment("work", where="full", replicas=ROOM, priority="forescale-batch"))
    wait_until(lambda: scheduled(scenario, "work") == ROOM, seconds=NODE_SECONDS, what="batch fills the node")
    plane.apply(pools.deployment("urgent", where="full", replicas=1, priority="forescale-serving"))
    wait_until(lambda: scheduled(scenario, "urgent") == 1, seconds=20, what="the server has batch's place")
    assert scheduled(scenario, "work") == ROOM - 1
    assert len(plane.get("nodes", "-l", f"{pools.POOL_LABEL}=full")["items"]) == 1


def test_batch_that_finds_no_room_waits(scenario: Scenario) -> None:
    plane = scenario.plane
    plane.apply(pools.deployment("work", where="full", replicas=ROOM + 2, priority="forescale-batch"))
    wait_until(lambda: _unschedulable(scenario) >= 1, seconds=20, what="batch was looked at by the scheduler")
    assert scheduled(scenario, "urgent") == 1
    assert scheduled(scenario, "work") == ROOM - 1


def _unschedulable(scenario: Scenario) -> int:
    pods = scenario.plane.get("pods", "-n", NAMESPACE, "-l", "app=work")["items"]
    conditions = [one for pod in pods for one in pod.get("status", {}).get("conditions") or []]
    return sum(one.get("reason") == "Unschedulable" for one in conditions)
