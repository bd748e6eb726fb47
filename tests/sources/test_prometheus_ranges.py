"""Range and instant queries against a real HTTP server: what is asked, and what the numbers become."""

import numpy as np
import pytest

from app.errors import QueryRejected, SourceUnavailable
from app.sources.base import Answer
from tests.sources.conftest import MakeRig, Rig
from tests.sources.fake_store import Asked, FakeStore, Reply, failure, ramp, success, zipped


def one(answer: Answer) -> tuple[list[float], list[float]]:
    """Times and values of the only series."""
    (series,) = answer.series
    return series.history.times_s.tolist(), series.history.values.tolist()


def test_a_range_is_asked_for_on_its_own_grid(store: FakeStore, rig: Rig) -> None:
    answer = rig.source.range("up", start_s=1000, end_s=1200, step_seconds=60)
    assert one(answer) == ([1000, 1060, 1120, 1180], [1000, 1060, 1120, 1180])
    assert answer.complete
    assert answer.series[0].labels == {"pod": "a"}
    (asked,) = store.asked
    assert asked.path == "/api/v1/query_range"
    assert asked.parameters == {"query": "up", "start": "1000", "end": "1180", "step": "60s"}
    assert rig.outcomes == {"ok": 1}


def test_a_path_prefix_is_kept_and_a_slash_at_its_end_does_no_harm(store: FakeStore, make_rig: MakeRig) -> None:
    make_rig(prometheus_url=store.url + "/prometheus/").source.range("up", start_s=0, end_s=0, step_seconds=1)
    assert store.asked[0].path == "/prometheus/api/v1/query_range"


@pytest.mark.parametrize("points", [100, 101, 150, 299, 300])
def test_no_request_asks_for_more_points_than_allowed(store: FakeStore, make_rig: MakeRig, points: int) -> None:
    rig = make_rig(prometheus_max_points=points)
    times, values = one(rig.source.range("up", start_s=30, end_s=30 + 299 * 15 + 14, step_seconds=15))
    assert times == values == [30 + 15 * k for k in range(300)]
    assert all(_points(asked) <= points for asked in store.asked)
    assert len(store.asked) == -(-300 // points)


def _points(asked: Asked) -> int:
    start, end, step = (int(asked.parameters[name].rstrip("s")) for name in ("start", "end", "step"))
    return (end - start) // step + 1


def at_most(points: int, error: str, status: int) -> object:
    """A store that refuses larger ranges."""

    def answer(asked: Asked) -> Reply:
        return ramp(asked) if _points(asked) <= points else failure(status, error)

    return answer


LIMITS = [
    (400, "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"),
    (422, "query processing would load too many samples into memory in query execution"),
    (422, "the query exceeded the maximum number of samples (limit: 100000) (err-mimir-max-samples)"),
    (
        422,
        "too many points for the given step=15, start=0 and end=9; they mustn't exceed -search.maxPointsPerTimeseries",
    ),
]


@pytest.mark.parametrize(("status", "error"), LIMITS)
def test_a_range_too_large_for_the_store_is_halved_until_it_fits(
    store: FakeStore, make_rig: MakeRig, status: int, error: str
) -> None:
    rig = make_rig(prometheus_max_points=1000)
    store.default = at_most(30, error, status)  # type: ignore[assignment]
    times, _ = one(rig.source.range("up", start_s=0, end_s=99, step_seconds=1))
    assert times == list(range(100))
    assert rig.waits == []
    assert [_points(asked) for asked in store.asked] == [100, 50, 25, 25, 25, 25]


def test_the_size_that_fits_is_remembered_for_the_query(store: FakeStore, rig: Rig) -> None:
    store.default = at_most(30, LIMITS[1][1], 422)  # type: ignore[assignment]
    rig.source.range("up", start_s=0, end_s=99, step_seconds=1)
    before = len(store.asked)
    rig.source.range("up", start_s=0, end_s=99, step_seconds=1)
    assert [_points(asked) for asked in store.asked[before:]] == [25] * 4


def test_a_query_that_is_too_large_at_any_size_is_rejected_and_nothing_is_remembered(
    store: FakeStore, rig: Rig
) -> None:
    store.default = at_most(0, LIMITS[1][1], 422)  # type: ignore[assignment]
    with pytest.raises(QueryRejected, match="too many samples"):
        rig.source.range("up", start_s=0, end_s=99, step_seconds=1)
    assert [_points(asked) for asked in store.asked] == [100, 50, 25, 12, 6, 3, 1]
    store.default = ramp
    rig.source.range("up", start_s=0, end_s=99, step_seconds=1)
    assert _points(store.asked[-1]) == 100


def test_an_answer_larger_than_the_limit_is_asked_for_in_halves(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(max_answer_bytes=500)
    times, _ = one(rig.source.range("up", start_s=0, end_s=99, step_seconds=1))
    assert times == list(range(100))
    assert len(store.asked) > 2


def test_a_small_parcel_that_unpacks_to_more_than_the_limit_is_refused(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(max_answer_bytes=2**20)
    store.default = zipped(Reply(body=b" " * 2**22))
    with pytest.raises(QueryRejected, match="larger than 1 MiB"):
        rig.source.instant("up", at_s=0)


def test_compressed_answers_are_read(store: FakeStore, rig: Rig) -> None:
    store.default = lambda asked: zipped(ramp(asked))
    assert one(rig.source.range("up", start_s=0, end_s=9_000, step_seconds=1))[0] == list(range(9_001))


def test_series_of_several_pieces_are_joined_by_their_labels(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_max_points=100)
    a, b = {"pod": "a", "zone": "x"}, {"pod": "b", "zone": "x"}
    store.enqueue(
        [
            success([{"metric": a, "values": [[0, "1"]]}, {"metric": b, "values": [[99, "2"]]}]),
            success([{"metric": {"zone": "x", "pod": "b"}, "values": [[100, "3"]]}]),
        ]
    )
    answer = rig.source.range("up", start_s=0, end_s=199, step_seconds=1)
    found = {series.labels["pod"]: series.history.values.tolist() for series in answer.series}
    assert found == {"a": [1.0], "b": [2.0, 3.0]}


def test_what_is_no_ordinary_number_arrives_as_it_is(store: FakeStore, rig: Rig) -> None:
    texts = ["NaN", "+Inf", "-Inf", "-0.5", "1e-7", "3"]
    store.default = success([{"metric": {}, "values": [[60 * k + 0.5, text] for k, text in enumerate(texts)]}])
    times, values = one(rig.source.range("up", start_s=0, end_s=300, step_seconds=60))
    assert times == [0.5, 60.5, 120.5, 180.5, 240.5, 300.5]
    np.testing.assert_equal(values, [np.nan, np.inf, -np.inf, -0.5, 1e-7, 3.0])


def test_a_query_that_selects_nothing_has_no_series(store: FakeStore, rig: Rig) -> None:
    store.default = success([])
    assert rig.source.range("up", start_s=0, end_s=300, step_seconds=60) == Answer(())


def test_a_range_that_ends_before_it_starts_asks_nothing(store: FakeStore, rig: Rig) -> None:
    assert rig.source.range("up", start_s=60, end_s=0, step_seconds=60) == Answer(())
    assert store.asked == []


def test_native_histograms_are_left_out(store: FakeStore, rig: Rig) -> None:
    store.default = success(
        [{"metric": {"a": "h"}, "histograms": [[0, {}]]}, {"metric": {"a": "n"}, "values": [[0, "1"]]}]
    )
    answer = rig.source.range("up", start_s=0, end_s=0, step_seconds=1)
    assert [series.labels["a"] for series in answer.series] == ["n"]


def test_an_instant_query_gives_one_value_a_series(store: FakeStore, rig: Rig) -> None:
    store.default = success(
        [{"metric": {"pod": "a"}, "value": [70.125, "4.5"]}, {"metric": {"pod": "b"}, "value": [70.125, "NaN"]}],
        "vector",
    )
    answer = rig.source.instant("up", at_s=70.125)
    assert [series.history.times_s.tolist() for series in answer.series] == [[70.125]] * 2
    np.testing.assert_equal([series.history.values[0] for series in answer.series], [4.5, np.nan])
    (asked,) = store.asked
    assert (asked.path, asked.parameters) == ("/api/v1/query", {"query": "up", "time": "70.125"})


def test_a_scalar_is_one_series_without_labels(store: FakeStore, rig: Rig) -> None:
    store.default = success([70, "4.5"], "scalar")
    answer = rig.source.instant("scalar(up)", at_s=70)
    assert (answer.series[0].labels, one(answer)) == ({}, ([70.0], [4.5]))


@pytest.mark.parametrize("kind", ["matrix", "string"])
def test_a_query_that_gives_no_number_per_series_is_rejected(store: FakeStore, rig: Rig, kind: str) -> None:
    store.default = success([], kind)
    with pytest.raises(QueryRejected, match=f"gives a {kind}"):
        rig.source.instant("up[5m]", at_s=70)


@pytest.mark.parametrize("query", ["x" * 100, 'sum(rate(a{b="ü& =+%"}[5m]))', "y" * 6_000])
def test_a_query_of_any_length_arrives_whole(store: FakeStore, rig: Rig, query: str) -> None:
    rig.source.range(query, start_s=0, end_s=60, step_seconds=60)
    (asked,) = store.asked
    assert asked.parameters == {"query": query, "start": "0", "end": "60", "step": "60s"}
    assert asked.method == ("POST" if len(query) > 4_000 else "GET")


def test_connections_are_kept(store: FakeStore, rig: Rig) -> None:
    ports: set[str] = set()
    store.default = ramp
    for _ in range(5):
        rig.source.range("up", start_s=0, end_s=60, step_seconds=60)
    ports.update(asked.headers["X-Client-Port"] for asked in store.asked)
    assert len(ports) == 1


@pytest.mark.parametrize(
    "result",
    [
        {"metric": {}},
        [{"metric": {}}],
        [{"values": [[0, "1"]]}],
        [{"metric": {}, "values": [[0, "many"]]}],
        [{"metric": {}, "values": [[0]]}],
        ["x"],
        7,
    ],
)
def test_a_result_of_another_shape_is_not_believed(store: FakeStore, make_rig: MakeRig, result: object) -> None:
    rig = make_rig(prometheus_attempts=1)
    store.default = success(result)
    with pytest.raises(SourceUnavailable, match="not a matrix"):
        rig.source.range("up", start_s=0, end_s=0, step_seconds=1)


def test_a_vector_in_place_of_a_matrix_is_not_believed(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_attempts=1)
    store.default = success([], "vector")
    with pytest.raises(SourceUnavailable, match="resultType is vector"):
        rig.source.range("up", start_s=0, end_s=0, step_seconds=1)
