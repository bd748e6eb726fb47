"""A store that is slow, down, overloaded, misconfigured or unsure: what is tried again, and what is believed."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import QueryRejected, SourceRefused, SourceUnavailable
from tests.sources.conftest import MakeRig, Rig
from tests.sources.fake_store import Asked, FakeStore, Reply, failure, success

SERIES = {"metric": {"pod": "a"}, "values": [[0, "1"]]}


def ask(rig: Rig) -> list[float]:
    """Values of one small range query."""
    answer = rig.source.range("up", start_s=0, end_s=60, step_seconds=60)
    return [float(value) for one in answer.series for value in one.history.values]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_what_may_pass_is_tried_again(store: FakeStore, rig: Rig, status: int) -> None:
    store.enqueue([failure(status, "come again"), failure(status, "come again")])
    assert ask(rig) == [0, 60]
    assert len(rig.waits) == 2
    assert rig.outcomes == {"unavailable": 2, "ok": 1}


def test_tries_are_counted_out(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_attempts=3)
    store.default = failure(503, "query timed out in expression evaluation")
    with pytest.raises(SourceUnavailable, match="503: query timed out"):
        ask(rig)
    assert (len(store.asked), len(rig.waits)) == (3, 2)


def test_waits_grow_and_differ_between_replicas(store: FakeStore, make_rig: MakeRig) -> None:
    store.default = failure(500, "no")
    drawn = []
    for seed in (1, 2):
        rig = make_rig(prometheus_attempts=8, seed=seed)
        with pytest.raises(SourceUnavailable):
            ask(rig)
        assert all(0 <= wait <= min(0.5 * 2**k, 8) for k, wait in enumerate(rig.waits))
        drawn.append(rig.waits)
    assert drawn[0] != drawn[1]
    assert max(drawn[0]) > 2  # the later limits are used


def test_a_store_that_says_when_to_come_back_is_obeyed(store: FakeStore, rig: Rig) -> None:
    store.enqueue([failure(429, "slow down", Retry_After="3"), failure(503, "busy")])
    ask(rig)
    assert 3 <= rig.waits[0] <= 3.5
    assert rig.waits[1] <= 1


def test_a_time_to_come_back_is_read_on_the_clock_of_the_store(store: FakeStore, rig: Rig) -> None:
    store.date = "Wed, 21 Oct 2015 07:28:00 GMT"
    store.enqueue([failure(429, "slow down", Retry_After="Wed, 21 Oct 2015 07:28:04 GMT")])
    ask(rig)
    assert 4 <= rig.waits[0] <= 4.5


@pytest.mark.parametrize("text", ["soon", "-5", ""])
def test_a_senseless_time_to_come_back_is_ignored(store: FakeStore, rig: Rig, text: str) -> None:
    store.enqueue([failure(429, "slow down", Retry_After=text)])
    ask(rig)
    assert rig.waits[0] <= 0.5


def test_a_store_that_wants_a_long_rest_is_not_waited_for(store: FakeStore, rig: Rig) -> None:
    store.default = failure(429, "slow down", Retry_After="120")
    with pytest.raises(SourceUnavailable, match="429"):
        ask(rig)
    assert (len(store.asked), rig.waits) == (1, [])


def test_a_store_that_is_not_there_is_unavailable(make_rig: MakeRig) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        rig = make_rig(prometheus_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(SourceUnavailable, match="ConnectionError"):
            ask(rig)
    assert rig.outcomes == {"unavailable": 4}


def test_a_store_that_does_not_answer_in_time_is_unavailable(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_timeout_seconds=0.1, prometheus_attempts=1)
    over = threading.Event()
    store.default = Reply(before=lambda: over.wait(10))
    with pytest.raises(SourceUnavailable, match="ReadTimeout"):
        ask(rig)
    over.set()


def test_an_answer_that_drips_in_is_given_up_at_the_time_limit(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_timeout_seconds=0.3, prometheus_attempts=1)
    over = threading.Event()
    sent: list[bool] = []
    drip = Reply(
        body=(b" ",) * 1_000, before_chunk=lambda: sent.append(over.wait(0.02))
    )  # never as slow as the timeout
    store.default = drip
    with pytest.raises(SourceUnavailable, match="did not arrive in time"):
        ask(rig)
    assert len(sent) < 500
    over.set()


def test_a_connection_that_breaks_within_an_answer_is_tried_again(store: FakeStore, rig: Rig) -> None:
    whole = success([SERIES])
    assert isinstance(whole.body, bytes)
    store.enqueue([Reply(body=whole.body[:20], headers={"Content-Length": "500", "Connection": "close"})])
    assert ask(rig) == [0, 60]
    assert rig.outcomes == {"unavailable": 1, "ok": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Sign in</body></html>",
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"status":"success"}',
        b'{"status":"success","data":null}',
        b'{"status":"success","data":[]}',
        b'{"status":"success","data":{"resultType":"matrix"}}',
        b'{"status":"success","data":{"resultType":"matrix","result":null}}',
        b'{"status":"error","error":"odd"}',
    ],
)
def test_an_answer_that_is_none_is_unavailable(store: FakeStore, make_rig: MakeRig, body: bytes) -> None:
    rig = make_rig(prometheus_attempts=2)
    store.default = Reply(body=body)
    with pytest.raises(SourceUnavailable):
        ask(rig)
    assert rig.outcomes == {"unavailable": 2}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "does not accept the credentials"),
        (403, "does not accept the credentials"),
        (404, "does not lead to a Prometheus API"),
        (405, "does not lead to a Prometheus API"),
    ],
)
def test_what_a_retry_cannot_change_is_refused_at_once(store: FakeStore, rig: Rig, status: int, says: str) -> None:
    store.default = Reply(status, b"<h1>no</h1>")
    with pytest.raises(SourceRefused, match=f"{status}: .*{says}"):
        ask(rig)
    assert (len(store.asked), rig.outcomes) == (1, {"refused": 1})


@pytest.mark.parametrize("status", [400, 422])
def test_a_wrong_query_is_rejected_with_the_words_of_the_store(store: FakeStore, rig: Rig, status: int) -> None:
    store.default = failure(status, 'invalid parameter "query": 1:5: parse error: unexpected character ' + "x" * 1_000)
    with pytest.raises(QueryRejected, match="parse error: unexpected character") as caught:
        ask(rig)
    assert len(str(caught.value)) < 300
    assert (len(store.asked), rig.outcomes) == (1, {"rejected": 1})


def test_a_query_that_failed_behind_the_store_is_tried_again(store: FakeStore, rig: Rig) -> None:
    store.enqueue([failure(422, "expanding series: proxy Series(): rpc error: code = Unavailable")])
    assert ask(rig) == [0, 60]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(store: FakeStore, make_rig: MakeRig, status: int) -> None:
    with FakeStore().running() as elsewhere:
        store.default = Reply(status, headers={"Location": elsewhere.url + "/api/v1/query_range"})
        with pytest.raises(SourceRefused, match="set FORESCALE_PROMETHEUS_URL to the final address"):
            ask(make_rig(prometheus_tenant="a"))
        assert elsewhere.asked == []


def test_a_warning_makes_an_answer_incomplete(store: FakeStore, rig: Rig) -> None:
    store.default = success([SERIES], warnings=["No StoreAPIs matched for this query"])
    answer = rig.source.range("up", start_s=0, end_s=0, step_seconds=1)
    assert (answer.complete, answer.notes) == (False, ("No StoreAPIs matched for this query",))
    assert len(answer.series) == 1
    assert rig.outcomes == {"partial": 1}


def test_a_partial_mark_makes_an_answer_incomplete(store: FakeStore, rig: Rig) -> None:
    store.default = success([SERIES], isPartial=True)
    assert not rig.source.range("up", start_s=0, end_s=0, step_seconds=1).complete


@pytest.mark.parametrize(
    "more",
    [
        {"infos": ["PromQL info: metric might not be a counter: a (1:6)"]},
        {"warnings": ["PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"]},
    ],
)
def test_notes_about_the_query_leave_the_answer_complete(
    store: FakeStore, rig: Rig, more: dict[str, list[str]]
) -> None:
    store.default = success([SERIES], **more)
    answer = rig.source.range("up", start_s=0, end_s=0, step_seconds=1)
    assert (answer.complete, list(answer.notes)) == (True, next(iter(more.values())))


@pytest.mark.parametrize("more", [{}, {"warnings": None, "infos": None}, {"warnings": [], "isPartial": False}])
def test_nothing_noted_is_nothing_missing(store: FakeStore, rig: Rig, more: dict[str, object]) -> None:
    store.default = success([SERIES], **more)
    answer = rig.source.range("up", start_s=0, end_s=0, step_seconds=1)
    assert (answer.complete, answer.notes) == (True, ())


def test_one_incomplete_piece_makes_the_whole_incomplete(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_max_points=100)
    long = "a store " + "x" * 1_000
    warnings = [long, *(f"w{k}" for k in range(9))]
    store.enqueue([success([SERIES], warnings=warnings), success([SERIES], infos=["another"])])
    answer = rig.source.range("up", start_s=0, end_s=150, step_seconds=1)
    assert not answer.complete
    assert len(answer.notes) == 5
    assert max(map(len, answer.notes)) <= 256


def test_no_more_requests_at_a_time_than_allowed(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_max_concurrency=2)
    inside, lock, third, most = 0, threading.Lock(), threading.Event(), 0

    def enter() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside > 2:
                third.set()
        third.wait(0.1)  # gives one too many the time to come
        with lock:
            inside -= 1

    store.default = Reply(body=success([SERIES]).body, before=enter)
    with ThreadPoolExecutor(6) as executor:
        for asked in [executor.submit(ask, rig) for _ in range(6)]:
            asked.result()
    assert most == 2


def test_answers_of_threads_are_not_mixed_up(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_max_concurrency=8)
    eight = threading.Barrier(8)

    def answer(asked: Asked) -> Reply:
        query = asked.parameters["query"]
        reply = success([{"metric": {"q": query}, "value": [0, "1"]}], "vector", warnings=[query])
        assert isinstance(reply.body, bytes)
        return Reply(body=(reply.body,), before_chunk=lambda: eight.wait(5))  # all are half way at the same time

    store.default = answer
    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda k: rig.source.instant(f"q{k}", at_s=0), range(64)))
    assert [one.notes for one in answers] == [(f"q{k}",) for k in range(64)]
    assert [one.series[0].labels["q"] for one in answers] == [f"q{k}" for k in range(64)]


def test_a_slot_is_free_again_after_a_failure(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_max_concurrency=1)
    store.enqueue([failure(400, "no"), Reply(body=b"{"), failure(401, "no")])
    with pytest.raises(QueryRejected):
        ask(rig)
    with pytest.raises(SourceRefused):
        ask(rig)
    assert ask(rig) == [0, 60]


def test_an_address_that_is_none_is_refused(make_rig: MakeRig) -> None:
    with pytest.raises(SourceRefused, match="FORESCALE_PROMETHEUS_URL"):
        ask(make_rig(prometheus_url="prometheus:9090"))


def test_making_a_source_asks_nothing_and_answers_may_be_compressed(store: FakeStore, rig: Rig) -> None:
    assert store.asked == []
    ask(rig)
    assert "gzip" in store.asked[0].headers["Accept-Encoding"]
