"""List, watch, relist, back off: what a Reflector does when the API behaves and when it does not."""

import queue
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from app.cluster.connection import EventStream, KubernetesApi
from app.cluster.permissions import LIST_PODS, WATCH_PODS
from app.cluster.reflector import Every, Reflector

SECONDS = 10.0


class RecordingKeeper:
    """Hands every call to the test through a queue; an object called `poison` makes it fail."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, Any]] = queue.Queue()

    def put(self, item: Mapping[str, Any]) -> None:
        self.calls.put(("put", item["metadata"]["name"]))
        if item["metadata"]["name"] == "poison":
            raise ValueError("nobody foresaw this")

    def remove(self, item: Mapping[str, Any]) -> None:
        self.calls.put(("remove", item["metadata"]["name"]))

    def keep_only(self, uids: set[str]) -> None:
        self.calls.put(("keep_only", uids))

    def next(self) -> tuple[str, Any]:
        return self.calls.get(timeout=SECONDS)


def thing(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "mcp"}}


@pytest.fixture
def keeper() -> RecordingKeeper:
    return RecordingKeeper()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def follow(api: KubernetesApi, keeper: RecordingKeeper, waits: list[float]) -> Iterator[Callable[..., Reflector]]:
    made: list[Reflector] = []

    def start(**arguments: Any) -> Reflector:
        reflector = Reflector(
            api,
            listing=LIST_PODS,
            watching=WATCH_PODS,
            keeper=keeper,
            rng=random.Random(1),
            wait=waits.append,
            **arguments,
        )
        made.append(reflector)
        reflector.start()
        return reflector

    yield start
    for reflector in made:
        reflector.close()
        assert not reflector._thread.is_alive()


def test_a_list_comes_in_pages_and_ends_with_what_may_stay(fake: Any, follow: Any, keeper: RecordingKeeper) -> None:
    fake.page_size = 2
    for name in ("a", "b", "c", "d", "e"):
        fake.put("pods", thing(name))
    reflector = follow()
    assert [keeper.next() for _ in range(5)] == [("put", name) for name in "abcde"]
    assert keeper.next() == ("keep_only", {f"uid-{name}" for name in "abcde"})
    assert reflector.wait_until_synced(SECONDS)
    pages = [query for _, path, query, _, _ in fake.requests if "watch" not in query]
    assert [query.get("continue") for query in pages] == [None, "2", "4"]


def test_changes_arrive_through_a_watch_from_the_lists_version(fake: Any, follow: Any, keeper: RecordingKeeper) -> None:
    fake.put("pods", thing("a"))
    follow(namespace="mcp", selector={"fieldSelector": "status.phase!=Failed"})
    assert [keeper.next()[0] for _ in range(2)] == ["put", "keep_only"]
    assert fake.opened.get(timeout=SECONDS) == "101"
    fake.put("pods", thing("b"))
    fake.delete("pods", "mcp", "a")
    assert keeper.next() == ("put", "b")
    assert keeper.next() == ("remove", "a")
    query = fake.requests[-1][2]
    assert fake.requests[-1][1] == "/api/v1/namespaces/mcp/pods"
    assert query["allowWatchBookmarks"] == "true"
    assert query["fieldSelector"] == "status.phase!=Failed"
    assert 240 <= int(query["timeoutSeconds"]) <= 480


def test_a_bookmark_moves_the_version_that_the_next_watch_starts_from(
    fake: Any, follow: Any, keeper: RecordingKeeper
) -> None:
    follow()
    assert fake.opened.get(timeout=SECONDS) == "100"
    fake.emit("pods", {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "170"}}})
    fake.end_watches()
    assert fake.opened.get(timeout=SECONDS) == "170"
    assert keeper.next() == ("keep_only", set())
    assert keeper.calls.empty()


@pytest.mark.parametrize("how", ["status", "event"])
def test_a_forgotten_version_is_listed_anew_at_once(
    fake: Any, follow: Any, keeper: RecordingKeeper, waits: list[float], how: str
) -> None:
    if how == "status":
        fake.fail_next("WATCH", "/pods", 410)
    follow()
    assert keeper.next() == ("keep_only", set())
    if how == "event":
        fake.opened.get(timeout=SECONDS)
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        fake.emit("pods", {"type": "ERROR", "object": gone})
    assert keeper.next() == ("keep_only", set())
    assert waits == []


def test_failures_are_waited_out_longer_and_longer_up_to_a_minute(
    fake: Any, follow: Any, keeper: RecordingKeeper, waits: list[float]
) -> None:
    for _ in range(12):
        fake.fail_next("GET", "/pods", 503)
    reflector = follow()
    assert reflector.wait_until_synced(SECONDS)
    rng = random.Random(1)
    assert waits == [rng.uniform(0, min(2.0**n, 60.0)) for n in range(1, 13)]
    assert max(waits) <= 60


def test_not_synced_before_the_first_complete_list(
    fake: Any, follow: Any, keeper: RecordingKeeper, waits: list[float]
) -> None:
    fake.page_size = 1
    fake.put("pods", thing("a"))
    fake.put("pods", thing("b"))
    synced_when: list[bool] = []
    fake.fail_next("GET", "/pods", 500)
    reflector = follow()
    synced_when.append(reflector.synced())
    assert reflector.wait_until_synced(SECONDS)
    assert reflector.synced()
    assert len(waits) == 1


def test_a_server_that_closes_every_watch_at_once_is_not_asked_in_a_tight_loop(
    fake: Any, follow: Any, waits: list[float]
) -> None:
    follow()
    for _ in range(3):
        fake.opened.get(timeout=SECONDS)
        fake.end_watches()
    fake.opened.get(timeout=SECONDS)
    assert len(waits) == 3


def test_an_object_that_cannot_be_taken_in_is_named_and_the_list_goes_on(
    fake: Any, follow: Any, keeper: RecordingKeeper, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """Its uid is among those that may stay: what was known of it before does."""
    for name in ("poison", "sound"):
        fake.put("pods", thing(name))
    assert follow().wait_until_synced(SECONDS)
    assert [keeper.next() for _ in range(2)] == [("put", "poison"), ("put", "sound")]
    assert keeper.next() == ("keep_only", {"uid-poison", "uid-sound"})
    assert "mcp/poison" in caplog.text
    assert waits == []


def test_an_object_that_cannot_be_taken_in_does_not_end_the_watch(
    fake: Any, follow: Any, keeper: RecordingKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    follow()
    assert keeper.next() == ("keep_only", set())
    fake.opened.get(timeout=SECONDS)
    fake.put("pods", thing("poison"))
    fake.put("pods", thing("sound"))
    fake.delete("pods", "mcp", "poison")
    assert [keeper.next() for _ in range(3)] == [("put", "poison"), ("put", "sound"), ("remove", "poison")]
    assert "mcp/poison" in caplog.text


def test_what_one_of_several_keepers_cannot_take_in_reaches_the_others() -> None:
    first, second = RecordingKeeper(), RecordingKeeper()
    Every(first, second).put(thing("poison"))
    assert second.next() == ("put", "poison")


def test_closing_wakes_a_reader_that_waits_for_events(fake: Any, follow: Any) -> None:
    reflector = follow()
    fake.opened.get(timeout=SECONDS)
    reflector.close()
    assert not reflector._thread.is_alive()


@pytest.mark.parametrize("then", ["closed", "an event that cannot be read"])
def test_a_watch_that_ends_early_gives_its_connection_up(
    fake: Any, api: KubernetesApi, keeper: RecordingKeeper, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[EventStream] = []
    open_stream = api.stream

    def watched(*arguments: Any, **named: Any) -> EventStream:
        opened.append(open_stream(*arguments, **named))
        if then == "closed":
            reflector._stopping.set()
        else:
            fake.emit("pods", {"type": "BOOKMARK", "object": {"metadata": {}}})
        return opened[0]

    monkeypatch.setattr(api, "stream", watched)
    reflector = Reflector(
        api,
        listing=LIST_PODS,
        watching=WATCH_PODS,
        keeper=keeper,
        rng=random.Random(1),
        wait=lambda _: reflector._stopping.set(),
    )
    reflector._run()
    assert opened[0]._response.closed
