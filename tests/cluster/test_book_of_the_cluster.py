"""LoadForecasts and pods in the cluster become a Book."""

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client

from app.cluster.keeper import KubernetesBookKeeper, Shelf, lead_in
from app.settings import Settings
from app.workloads.book import LeadTime, PodCost
from app.workloads.spec import API_VERSION, KIND

SECONDS = 10.0


def loadforecast(name: str = "web", *, generation: int = 1, status: Any = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": "mcp", "uid": f"uid-{name}", "generation": generation},
        "spec": {"targetRef": {"name": name}, "demand": {"query": "q"}, "capacityPerPod": 40, **spec},
        "status": status or {},
    }


def test_the_book_holds_forecasts_leads_pods_and_rejections(fake: Any, keep: Any, pod: Callable[..., Any]) -> None:
    planned = {"leadSeconds": 35, "leadOrigin": "Measured", "leadSamples": 4}
    fake.put("loadforecasts", loadforecast("web", status=planned, drain={"query": "q"}))
    fake.put("loadforecasts", loadforecast("db", targetRef={"kind": "StatefulSet", "name": "db"}))
    fake.put("loadforecasts", loadforecast("bad", lead={"floorSeconds": 200, "fallbackSeconds": 100}))
    fake.put("pods", pod("web-1", started=5, ready=28))
    fake.put("pods", pod("web-2", started=5, unready=1))
    fake.put("pods", pod("db-0", started=5, ready=61, owner=("StatefulSet", "db")))
    keeper = keep()
    assert keeper.wait_until_ready(SECONDS)
    book = keeper.current()
    assert [forecast.key for forecast in book.forecasts] == ["mcp/db", "mcp/web"]
    assert book.leads == {"mcp/web": LeadTime(35, "Measured", 4)}
    assert book.lead(book.forecasts[0]) == LeadTime(120, "Fallback")
    assert book.pods == {"mcp/web": 1, "mcp/db": 1}
    assert book.measured == {"mcp/web": LeadTime(30, "Measured", 1), "mcp/db": LeadTime(65, "Measured", 1)}
    assert "lead.fallbackSeconds must not be below lead.floorSeconds" in book.rejected["mcp/bad"]
    assert book.drains == {"mcp/web": (PodCost("web-1", "uid-web-1"), PodCost("web-2", "uid-web-2"))}
    assert book.recorded["mcp/web"].status == planned
    assert book.recorded["mcp/bad"].uid == "uid-bad"


def test_every_replica_plans_with_the_lead_in_status_not_with_its_own_measurement(
    fake: Any, keep: Any, pod: Callable[..., Any]
) -> None:
    fake.put(
        "loadforecasts", loadforecast("web", status={"leadSeconds": 50, "leadOrigin": "Measured", "leadSamples": 3})
    )
    fake.put("pods", pod("web-1", started=5, ready=28))
    keeper = keep()
    assert keeper.wait_until_ready(SECONDS)
    book = keeper.current()
    assert book.lead(book.forecasts[0]).seconds == 50


WANTS_ROOM = {"provisioning": "CapacityBuffer"}


def test_room_on_nodes_brings_pods_that_exist_and_leads_of_nodes_into_the_book(
    fake: Any, connected: client.ApiClient, settings: Settings, pod: Callable[..., Any]
) -> None:
    planned = {"leadSeconds": 90, "leadOrigin": "Measured", "leadSamples": 4}
    fake.put("loadforecasts", loadforecast("web", nodes=WANTS_ROOM, status={"nodes": planned}))
    fake.put("loadforecasts", loadforecast("other"))
    fake.put("pods", pod("web-1", started=5, ready=28))
    fake.put("pods", pod("web-2"))
    keeper = KubernetesBookKeeper(connected, settings.model_copy(update={"node_headroom": "buffers"}))
    assert keeper.wait_until_ready(SECONDS)
    book = keeper.current()
    keeper.close()
    assert book.existing == {"mcp/web": 2}
    assert book.node_leads == {"mcp/web": LeadTime(90, "Measured", 4)}
    assert book.node_measured == {"mcp/web": LeadTime(240, "Fallback")}
    assert [book.node_lead(one).seconds for one in book.forecasts] == [240, 90]


def test_without_it_nobody_asks_for_nodes(fake: Any, keep: Any) -> None:
    fake.put("loadforecasts", loadforecast("web", nodes=WANTS_ROOM))
    keeper = keep()
    assert keeper.wait_until_ready(SECONDS)
    assert keeper.current().existing == {}
    assert not [path for _, path, *_ in fake.requests if "node" in path]


def test_not_ready_before_the_list_is_complete(fake: Any, keep: Any) -> None:
    fake.fail_next("GET", "/loadforecasts", 404)  # the custom resource is not applied yet
    keeper = keep()
    assert keeper.current().forecasts == ()
    assert keeper.wait_until_ready(SECONDS)
    assert keeper.ready()


def test_one_namespace_is_watched_when_the_settings_say_so(
    fake: Any, connected: client.ApiClient, settings: Settings
) -> None:
    keeper = KubernetesBookKeeper(connected, settings.model_copy(update={"watch_namespace": "mcp"}))
    assert keeper.wait_until_ready(SECONDS)
    keeper.close()
    paths = {path for _, path, *_ in fake.requests}
    assert paths == {"/apis/forescale.dev/v1alpha1/namespaces/mcp/loadforecasts", "/api/v1/namespaces/mcp/pods"}


def test_a_written_status_leaves_the_forecasts_the_same_object() -> None:
    """The pipeline sends LoadForecasts to the serving process only when this tuple is another one."""
    shelf = Shelf()
    shelf.put(loadforecast("web"))
    _, before, _ = shelf.contents()
    shelf.put(loadforecast("web", status={"leadSeconds": 40, "leadOrigin": "Measured"}))
    entries, after, _ = shelf.contents()
    assert after is before
    assert entries["mcp/web"].lead == LeadTime(40, "Measured", 0)


def test_a_changed_spec_and_a_changed_label_are_read_again() -> None:
    shelf = Shelf()
    shelf.put(loadforecast("web"))
    shelf.put(loadforecast("web", generation=2, capacityPerPod=50))
    assert shelf.contents()[1][0].spec.capacity_per_pod == 50
    labelled = loadforecast("web", generation=2, capacityPerPod=50)
    labelled["metadata"]["labels"] = {"tier": "front"}
    shelf.put(labelled)
    assert shelf.contents()[1][0].labels == {"tier": "front"}


def test_a_forecast_that_becomes_invalid_leaves_the_book_and_comes_back() -> None:
    shelf = Shelf()
    shelf.put(loadforecast("web"))
    shelf.put(loadforecast("web", generation=2, capacityPerPod=0))
    _, forecasts, rejected = shelf.contents()
    assert forecasts == ()
    assert "capacityPerPod" in rejected["mcp/web"]
    shelf.put(loadforecast("web", generation=3))
    _, forecasts, rejected = shelf.contents()
    assert len(forecasts) == 1
    assert rejected == {}


def test_removed_and_unlisted_objects_leave_the_book() -> None:
    shelf = Shelf()
    for name in ("a", "b", "c"):
        shelf.put(loadforecast(name))
    shelf.remove(loadforecast("a"))
    assert [one.name for one in shelf.contents()[1]] == ["b", "c"]
    shelf.keep_only({"uid-c"})
    assert [one.name for one in shelf.contents()[1]] == ["c"]


def test_an_object_without_a_spec_is_rejected_with_what_is_missing() -> None:
    shelf = Shelf()
    empty = loadforecast("web")
    empty["spec"] = {}
    shelf.put(empty)
    text = shelf.contents()[2]["mcp/web"]
    assert all(field in text for field in ("targetRef", "demand", "capacityPerPod"))


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"leadSeconds": 0, "leadOrigin": "Measured"},
        {"leadSeconds": 4000, "leadOrigin": "Measured"},
        {"leadSeconds": "40", "leadOrigin": "Measured"},
        {"leadSeconds": 40, "leadOrigin": "Guessed"},
    ],
)
def test_a_lead_that_makes_no_sense_is_no_lead(status: dict[str, Any]) -> None:
    assert lead_in(status) is None
