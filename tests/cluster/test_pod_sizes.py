"""What pods request, as the watch tells it, becomes the sizes that every replica plans with, and status shows them."""

from collections.abc import Callable
from typing import Any

import pytest

from app.cluster.conditions import served_status, signature, sizes_in
from app.cluster.keeper import KubernetesBookKeeper
from app.cluster.requests import RequestIndex, requests_of
from app.snapshot import row_view
from app.workloads.book import LeadTime, PodSizes
from tests.cluster.test_book_of_the_cluster import SECONDS, loadforecast

WEB = ("mcp", "Deployment", "web")
MI = 2.0**20
SCALING = {"container": "server", "resource": "memory", "reference": "512Mi"}
Pod = Callable[..., dict[str, Any]]


def sized(item: dict[str, Any], memory: str, *, actual: str | None = None) -> dict[str, Any]:
    """The pod with two containers, of which `server` requests so much memory, and really has `actual`."""
    item["spec"] = {
        "containers": [
            {"name": "istio-proxy", "resources": {"requests": {"memory": "64Mi", "cpu": "100m"}}},
            {"name": "server", "resources": {"requests": {"memory": memory, "cpu": "250m"}}},
            {"name": "helper"},
        ]
    }
    resources = {"requests": {"memory": actual}} if actual else {}
    item["status"]["containerStatuses"] = [{"name": "server", "restartCount": 0, "resources": resources}]
    return item


def memory(index: RequestIndex) -> list[float]:
    return [one / MI for one in index.of(WEB, container="server", resource="memory")]


@pytest.fixture
def index() -> RequestIndex:
    return RequestIndex()


def test_requests_are_told_from_the_oldest_pod_to_the_newest_ready_or_not(index: RequestIndex, pod: Pod) -> None:
    index.put(sized(pod("web-3", created=30), "768Mi"))
    index.put(sized(pod("web-1", created=10, started=12, ready=20), "256Mi"))
    index.put(sized(pod("web-2", created=20, started=22, unready=25), "512Mi"))
    index.put(sized(pod("db-0", created=20, owner=("StatefulSet", "db")), "9Gi"))
    assert memory(index) == [256, 512, 768]
    assert index.of(WEB, container="server", resource="cpu") == [0.25, 0.25, 0.25]
    assert index.of(WEB, container="nobody", resource="cpu") == []


def test_of_pods_created_at_once_the_smallest_counts_as_the_newest(index: RequestIndex, pod: Pod) -> None:
    for name, size in (("a", "512Mi"), ("b", "256Mi"), ("c", "768Mi")):
        index.put(sized(pod(name, created=10), size))
    assert memory(index) == [768, 512, 256]


def test_a_pod_resized_in_place_counts_as_it_is_not_as_it_is_wanted(index: RequestIndex, pod: Pod) -> None:
    index.put(sized(pod(), "768Mi", actual="512Mi"))
    assert memory(index) == [512]
    index.put(sized(pod(), "768Mi", actual="768Mi"))
    assert memory(index) == [768]


def test_pods_that_leave_or_are_gone_do_not_count(index: RequestIndex, pod: Pod) -> None:
    for name in ("a", "b", "c"):
        index.put(sized(pod(name), "512Mi"))
    index.put(sized(pod("a", deleting=True), "512Mi"))
    index.remove(pod("b"))
    assert memory(index) == [512]
    index.keep_only(set())
    assert memory(index) == []


def test_a_container_without_requests_has_none(pod: Pod) -> None:
    requests = requests_of(sized(pod(), "1Gi"))
    assert {name for name, _, _ in requests} == {"istio-proxy", "server"}
    assert requests_of(pod()) == frozenset()


def test_the_book_has_sizes_of_those_that_scale_capacity(fake: Any, keep: Any, pod: Pod) -> None:
    fake.put("loadforecasts", loadforecast("web", capacityScaling=SCALING))
    fake.put("loadforecasts", loadforecast("plain", targetRef={"name": "web"}))
    fake.put("pods", sized(pod("web-1", created=1), "256Mi"))
    fake.put("pods", sized(pod("web-2", created=2), "768Mi"))
    keeper = keep()
    assert keeper.wait_until_ready(SECONDS)
    assert keeper.current().sizes == {"mcp/web": PodSizes(2, 2.0, newest=1.5, largest=1.5)}


WRITTEN = {"podSizes": {"pods": 4, "carry": "5.000", "newest": "1.500", "largest": "2.000"}, "observedGeneration": 1}


def test_until_pods_are_listed_and_while_there_are_none_sizes_are_those_in_status(fake: Any, keep: Any) -> None:
    fake.put("loadforecasts", loadforecast("web", capacityScaling=SCALING, status=WRITTEN))
    fake.put("loadforecasts", loadforecast("changed", generation=2, capacityScaling=SCALING, status=WRITTEN))
    fake.fail_next("GET", "/pods", 500)
    keeper: KubernetesBookKeeper = keep()
    assert keeper._forecasts_watch.wait_until_synced(SECONDS)
    assert keeper._sizes(list(keeper._shelf.contents()[0].values()), known=False) == {"mcp/web": PodSizes(4, 5, 1.5, 2)}
    assert keeper.wait_until_ready(SECONDS)
    assert keeper.current().sizes == {"mcp/web": PodSizes(0, 0.0, 1.5, 1.5)}


@pytest.mark.parametrize("name", ["pods", "carry", "newest", "largest"])
@pytest.mark.parametrize("value", [None, "NaN", "much", "-1"])
def test_sizes_that_make_no_sense_are_none(name: str, value: Any) -> None:
    assert sizes_in({"podSizes": {**WRITTEN["podSizes"], name: value}}) is None  # type: ignore[dict-item]


def test_what_is_written_is_read_back(make_snapshot: Any) -> None:
    sizes = PodSizes(3, 3.5, newest=0.5, largest=2.0)
    view = row_view(make_snapshot(1), 0, now=1_700_000_020)
    status = served_status(view, cut_s=0, staleness_seconds=180, lead=LeadTime(30, "Measured"), sizes=sizes)
    assert sizes_in(status) == sizes
    plain = served_status(view, cut_s=0, staleness_seconds=180, lead=LeadTime(30, "Measured"))
    assert plain["podSizes"] is None


def test_pods_of_one_size_coming_and_going_are_not_worth_a_write_a_new_size_is(make_snapshot: Any) -> None:
    view = row_view(make_snapshot(1), 0, now=1_700_000_020)

    def told(sizes: PodSizes) -> object:
        lead = LeadTime(30, "Measured")
        return signature(served_status(view, cut_s=0, staleness_seconds=180, lead=lead, sizes=sizes))

    assert told(PodSizes(3, 4.5, 1.5, 1.5)) == told(PodSizes(9, 13.5, 1.5, 1.5))
    assert told(PodSizes(3, 4.5, 1.5, 1.5)) != told(PodSizes(3, 4.2, 1.4, 1.4))
    assert told(PodSizes(3, 4.5, 1.5, 1.5)) != told(PodSizes(3, 4.0, 1.5, 1.5))
