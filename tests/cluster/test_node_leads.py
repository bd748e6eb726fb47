"""What pods that waited and NodeClaims say about how long a new node needs."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from app.cluster.connection import KubernetesApi
from app.cluster.holders import holder_name
from app.cluster.nodelead import ClaimStarts, NodeBirths, NodeLeads, PodWaits
from app.workloads.spec import LoadForecast

WEB = ("mcp", "Deployment", "web")


def clock(seconds: float) -> str:
    return f"2026-11-25T12:{int(seconds // 60):02d}:{int(seconds % 60):02d}Z"


def node(name: str, *, born: float) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": clock(born)}}


def waiting_pod(
    name: str = "a", *, created: float, scheduled: float | None = None, on: str = "", owner: str = "web"
) -> Any:
    if scheduled is None:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    else:
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": clock(scheduled)}
    owners = [{"kind": "ReplicaSet", "name": f"{owner}-5f7", "controller": True}]
    return {
        "metadata": {
            "name": name,
            "namespace": "mcp",
            "uid": f"uid-{name}",
            "creationTimestamp": clock(created),
            "labels": {"pod-template-hash": "5f7"},
            "ownerReferences": owners,
        },
        "spec": {"nodeName": on} if on else {},
        "status": {"conditions": [condition]},
    }


def claim(name: str, *, created: float, ready: float | None) -> dict[str, Any]:
    condition = {"type": "Initialized", "status": "True", "lastTransitionTime": clock(ready or 0)}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": clock(created)},
        "status": {"conditions": [condition] if ready is not None else []},
    }


@pytest.fixture
def births() -> NodeBirths:
    return NodeBirths()


@pytest.fixture
def waits(births: NodeBirths) -> PodWaits:
    return PodWaits(births)


def seconds(waits: PodWaits) -> list[float]:
    return [one.seconds for one in waits.starts([WEB])]


def test_a_pod_that_waited_for_a_node_younger_than_itself_shows_what_a_node_needs(
    births: NodeBirths, waits: PodWaits
) -> None:
    waits.put(waiting_pod(created=10))
    births.put(node("new", born=80))
    waits.put(waiting_pod(created=10, scheduled=95, on="new"))
    assert seconds(waits) == [85]


def test_a_pod_that_waited_for_room_on_an_old_node_shows_nothing(births: NodeBirths, waits: PodWaits) -> None:
    births.put(node("old", born=0))
    waits.put(waiting_pod(created=10))
    waits.put(waiting_pod(created=10, scheduled=14, on="old"))
    assert seconds(waits) == []


def test_a_pod_that_never_was_without_a_node_shows_nothing(births: NodeBirths, waits: PodWaits) -> None:
    births.put(node("new", born=80))
    waits.put(waiting_pod(created=10, scheduled=95, on="new"))
    assert seconds(waits) == []


def test_a_wait_is_judged_when_its_node_becomes_known(births: NodeBirths, waits: PodWaits) -> None:
    waits.put(waiting_pod(created=10))
    waits.put(waiting_pod(created=10, scheduled=95, on="new"))
    assert seconds(waits) == []
    births.put(node("new", born=80))
    births.remove(node("new", born=80))  # a node that is gone again was there all the same
    assert seconds(waits) == [85]
    assert seconds(waits) == [85]


def test_pods_exist_from_their_creation_to_their_deletion_with_or_without_a_node(waits: PodWaits) -> None:
    waits.put(waiting_pod("a", created=1))
    waits.put(waiting_pod("b", created=1, scheduled=2, on="x"))
    waits.put(waiting_pod("c", created=1, owner="other"))
    assert waits.existing() == {WEB: 2, ("mcp", "Deployment", "other"): 1}
    leaving = waiting_pod("b", created=1, scheduled=2, on="x")
    leaving["metadata"]["deletionTimestamp"] = clock(60)
    waits.put(leaving)
    assert waits.existing()[WEB] == 1
    waits.keep_only({"uid-c"})
    assert waits.existing() == {("mcp", "Deployment", "other"): 1}


def test_a_wait_whose_end_is_not_told_shows_nothing(births: NodeBirths, waits: PodWaits) -> None:
    """lastTransitionTime is optional in the API, which then sends null."""
    births.put(node("new", born=80))
    waits.put(waiting_pod(created=10))
    scheduled = waiting_pod(created=10, scheduled=95, on="new")
    scheduled["status"]["conditions"][0]["lastTransitionTime"] = None
    waits.put(scheduled)
    assert seconds(waits) == []
    assert waits.existing() == {WEB: 1}


def test_a_claim_whose_first_use_is_not_told_counts_when_it_is() -> None:
    claims = ClaimStarts()
    untold = claim("x", created=0, ready=48)
    untold["status"]["conditions"][0]["lastTransitionTime"] = None
    claims.put(untold)
    assert claims.starts() == []
    claims.put(claim("x", created=0, ready=48))
    assert [one.seconds for one in claims.starts()] == [48]


def test_a_claim_counts_once_from_its_creation_to_its_first_use() -> None:
    claims = ClaimStarts()
    claims.put(claim("x", created=0, ready=None))
    assert claims.starts() == []
    for _ in range(2):
        claims.put(claim("x", created=0, ready=48))
    claims.remove(claim("x", created=0, ready=48))
    assert [one.seconds for one in claims.starts()] == [48]


def test_the_lead_is_learned_from_own_pods_own_balloons_and_claims_with_a_floor(
    api: KubernetesApi, make_forecast: Callable[..., LoadForecast]
) -> None:
    leads = NodeLeads(api, rng=random.Random(1))
    forecast = make_forecast("web")
    assert leads.lead(forecast, WEB).origin == "Fallback"
    leads._claims.put(claim("x", created=0, ready=20))
    assert (leads.lead(forecast, WEB).seconds, leads.lead(forecast, WEB).origin) == (30, "Floor")
    leads._births.put(node("new", born=80))
    for owner, waited in (("stranger", 300), (holder_name("web"), 120), ("web", 95)):
        leads.pods.put(waiting_pod(owner, created=10, owner=owner))
        leads.pods.put(waiting_pod(owner, created=10, scheduled=10 + waited, on="new", owner=owner))
    found = leads.lead(forecast, WEB)
    assert (found.seconds, found.origin, found.samples) == (120, "Measured", 3)
