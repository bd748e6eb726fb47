"""Scaling in a server that holds sessions: the real HPA and ReplicaSet controller remove the pods with the fewest.

Six pods lose sessions twice, and twice two pods too many are left. Without costs Kubernetes would pick them by node and
age: that these are the emptiest both times has a chance of one in ninety.
"""

from typing import Any

import pytest

from app.cluster.connection import ApiFailure, KubernetesApi, connect
from app.cluster.permissions import PATCH_POD
from app.cluster.pod_costs import ANNOTATION
from tests.e2e.cluster.conftest import Scenario
from tests.e2e.harness import twins
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.workers import NAMESPACE, ROOMS, ROOMS_REPLICAS

START = (10, 50, 10, 20, 30, 20)
FULL = (40, 3, 25, 1, 11, 60)  # 140 sessions: six pods
FEWER = (38, 2, 20, 0, 3, 37)  # 100: four
LEAST = {38: 22, 20: 6, 3: 2, 37: 20}  # 50: two
FOREIGN = "2000000"

Pods = dict[str, str | None]


def pods(scenario: Scenario) -> Pods:
    """Pods that are not being deleted, with their cost."""
    found = scenario.plane.get("pods", "-n", NAMESPACE, "-l", f"app={ROOMS}")["items"]
    return {
        one["metadata"]["name"]: (one["metadata"].get("annotations") or {}).get(ANNOTATION)
        for one in found
        if "deletionTimestamp" not in one["metadata"]
    }


def after_scaling_in(scenario: Scenario, sessions: dict[str, int], count: int) -> set[str]:
    """The pods that are left when the sessions have become these."""
    scenario.sessions.held = sessions
    left = wait_until(
        lambda: found if len(found := pods(scenario)) == count else None, seconds=60, what=f"{count} pods are left"
    )
    return set(left)


@pytest.fixture(scope="module")
def rooms(scenario: Scenario) -> dict[str, int]:
    """Sessions of each pod, once their costs are written; the fullest pod's cost is somebody else's."""
    names = sorted(pods(scenario))
    assert len(names) == ROOMS_REPLICAS
    held = dict(zip(names, FULL, strict=True))
    fullest = max(held, key=lambda name: held[name])
    scenario.plane.kubectl("annotate", "pod", fullest, "-n", NAMESPACE, f"{ANNOTATION}={FOREIGN}")
    for counts in (START, FULL):  # sessions move, and costs follow them
        scenario.sessions.held = dict(zip(names, counts, strict=True))
        costs = {name: FOREIGN if name == fullest else str(held) for name, held in scenario.sessions.held.items()}
        wait_until(lambda costs=costs: pods(scenario) == costs, seconds=60, what=f"costs are {costs}")  # type: ignore[misc]
    return held


def test_the_pods_with_the_fewest_sessions_go_and_no_session_of_the_others_dies(
    scenario: Scenario, rooms: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    fewer = dict(zip(rooms, FEWER, strict=True))
    left = after_scaling_in(scenario, fewer, 4)
    lost = {count for name, count in fewer.items() if name not in left}
    assert lost == {0, 2}
    least = {name: LEAST[fewer[name]] for name in left}
    last = after_scaling_in(scenario, least, 2)
    lost_then = sorted(count for name, count in least.items() if name not in last)
    with capsys.disabled():
        print(f"\n6 pods, {sum(FULL)} sessions; scaled in to 4: {sum(lost)} of {sum(FEWER)} sessions gone;", end=" ")
        print(f"to 2: {sum(lost_then)} of {sum(least.values())}")
    assert lost_then == [2, 6]


def test_a_cost_that_somebody_else_wrote_is_left_alone(scenario: Scenario, rooms: dict[str, int]) -> None:
    fullest = max(rooms, key=lambda name: rooms[name])
    assert pods(scenario)[fullest] == FOREIGN


def test_what_goes_first_can_be_read_without_looking_at_pods(scenario: Scenario, rooms: dict[str, int]) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/loadforecasts/{ROOMS}/drain"
    headers = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}

    def told() -> dict[str, Any] | None:
        found: dict[str, Any] = scenario.service.get(path, client=scenario.proxy, headers=headers).json()
        return found if {one["name"] for one in found["pods"]} == set(pods(scenario)) else None

    shown = wait_until(told, seconds=20, what="the pods that are left are shown")
    assert [one["foreign"] for one in shown["pods"]].count(True) == 1


@pytest.mark.parametrize(
    ("patch", "refused"),
    [
        ({"metadata": {"annotations": {ANNOTATION: "7"}}}, False),
        ({"metadata": {"annotations": {"other": "7"}}}, True),
        ({"metadata": {"labels": {"app": "stolen"}}}, True),
        ({"metadata": {"finalizers": ["example.invalid/stuck"]}}, True),
        ({"spec": {"activeDeadlineSeconds": 1}}, True),
    ],
)
def test_the_service_may_change_a_pods_deletion_cost_and_nothing_else(
    scenario: Scenario, rooms: dict[str, int], patch: dict[str, object], refused: bool
) -> None:
    plane = scenario.plane
    name = next(one["metadata"]["name"] for one in plane.get("pods", "-n", twins.NAMESPACE)["items"])
    with connect(plane.kubeconfig("drainer", plane.token("forescale", "forescale"))) as client:
        dry = {"dryRun": "All"}
        said = ""
        try:
            KubernetesApi(client).call(PATCH_POD, namespace=twins.NAMESPACE, name=name, body=patch, query=dry)
        except ApiFailure as failure:
            said = str(failure)
    assert ("forescale may" in said) is refused, said
    assert bool(said) is refused
