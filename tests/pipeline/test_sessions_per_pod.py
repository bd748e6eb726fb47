"""Sessions of each pod, from a query over all of them: whose pods, which numbers, what is said without any."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from app.errors import SourceUnavailable
from app.pipeline.sessions import SessionReader
from app.planning.draining import Drain
from app.sources.base import Answer, LabelledHistory
from app.workloads.book import Book, PodCost
from models.series import RawHistory

QUERY = "sum by (namespace, pod) (active_sessions)"
CUT_S = 1_700_000_010


class Store:
    """Answers every instant query with the same series; counts them."""

    def __init__(self, *series: tuple[dict[str, str], float]) -> None:
        self.series = series
        self.asked: list[tuple[str, float]] = []
        self.error: Exception | None = None
        self.missing: tuple[str, ...] = ()  # parts of an answer

    def instant(self, query: str, *, at_s: float) -> Answer:
        self.asked.append((query, at_s))
        if self.error is not None:
            raise self.error
        return Answer(
            tuple(
                LabelledHistory(labels, RawHistory(np.asarray([at_s]), np.asarray([value])))
                for labels, value in self.series
            ),
            complete=not self.missing,
            notes=self.missing,
        )

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        raise AssertionError("only the present is asked for")

    def close(self) -> None: ...


@pytest.fixture
def read(executor: ThreadPoolExecutor, make_forecast: Any) -> Any:
    """read(store, {workload: pods}) -> key -> Drain."""

    def reading(store: Store, pods: dict[str, tuple[str, ...]], **block: Any) -> dict[str, Drain]:
        forecasts = tuple(make_forecast(name, drain={"query": QUERY, **block}) for name in pods)
        known = {f"mcp/{name}": tuple(PodCost(pod, f"uid-{pod}") for pod in each) for name, each in pods.items()}
        plain = make_forecast("plain")
        return SessionReader(store, executor=executor).read(Book((*forecasts, plain), drains=known), cut_s=CUT_S)

    return reading


def sessions(drain: Drain) -> dict[str, float | None]:
    return {one.pod.name: one.sessions for one in drain.pods}


def test_workloads_with_one_query_share_a_request(read: Any) -> None:
    store = Store(({"pod": "a-1"}, 3.0), ({"pod": "b-1"}, 0.0))
    found = read(store, {"a": ("a-1", "a-2"), "b": ("b-1",)})
    assert store.asked == [(QUERY, CUT_S)]
    assert sessions(found["mcp/a"]) == {"a-2": None, "a-1": 3.0}
    assert sessions(found["mcp/b"]) == {"b-1": 0.0}
    assert found["mcp/a"].note == ""


def test_a_pod_of_the_same_name_elsewhere_is_another(read: Any) -> None:
    store = Store(({"pod": "a-1", "namespace": "other"}, 9.0), ({"pod": "a-1", "namespace": "mcp"}, 3.0))
    assert sessions(read(store, {"a": ("a-1",)})["mcp/a"]) == {"a-1": 3.0}


def test_a_pod_with_several_series_is_not_known(read: Any) -> None:
    store = Store(({"pod": "a-1", "version": "1"}, 9.0), ({"pod": "a-1", "version": "2"}, 3.0))
    assert sessions(read(store, {"a": ("a-1",)})["mcp/a"]) == {"a-1": None}


def test_the_label_may_have_another_name(read: Any) -> None:
    store = Store(({"k8s_pod_name": "a-1"}, 4.0), ({"pod": "a-2"}, 5.0))
    assert sessions(read(store, {"a": ("a-1", "a-2")}, podLabel="k8s_pod_name")["mcp/a"]) == {"a-2": None, "a-1": 4.0}


def test_a_query_that_knows_none_of_the_pods_is_noted(read: Any) -> None:
    assert "no session" in read(Store(({"job": "mcp"}, 4.0)), {"a": ("a-1",)})["mcp/a"].note
    assert read(Store(), {"a": ()})["mcp/a"].note == ""


def test_while_the_store_is_away_nothing_is_known_and_nothing_changes(read: Any) -> None:
    store = Store()
    store.error = SourceUnavailable("connection refused")
    found = read(store, {"a": ("a-1",)})["mcp/a"]
    assert found.note == "SourceUnavailable: connection refused"
    assert [one.due for one in found.pods] == [False]


def test_a_partial_count_is_none_and_lowers_no_cost(read: Any) -> None:
    store = Store(({"pod": "a-1"}, 1.0))
    store.missing = ("store gateway eu-2 is down",)
    found = read(store, {"a": ("a-1",)})["mcp/a"]
    assert sessions(found) == {"a-1": None}
    assert "store gateway eu-2 is down" in found.note


def test_without_the_block_nothing_is_asked(read: Any) -> None:
    store = Store()
    assert read(store, {}) == {}
    assert store.asked == []
