"""REST v1 as callers see it: values, pages, refusals, problems, and an OpenAPI page that documents all of it."""

import base64
import math
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app.clock import PlayedClock
from app.reasons import Reason
from app.serving.rest.explanation import SENTENCES
from app.serving.rest.problems import KINDS
from app.serving.rest.routes import rest_app
from app.snapshot import Sized, Snapshot, SnapshotStore
from app.workloads.book import PodSizes
from app.workloads.spec import LoadForecast
from tests.serving.rest_doubles import FixedClock, NoInquiries

MakeSnapshot = Callable[..., Snapshot]
MakeForecast = Callable[..., LoadForecast]
CUT_S = 1_700_000_010


class Caller:
    """Asks a REST door that is mounted as in the service."""

    def __init__(self, snapshot: Snapshot | None, *, now_s: float = CUT_S + 5.0, raises: bool = True) -> None:
        """raises: an exception that leaves the door after its answer fails the test."""
        self._raises = raises
        self._app = FastAPI(openapi_url=None)
        self._app.mount("/api/v1", rest_app(SnapshotStore(snapshot), FixedClock(now_s), NoInquiries()))

    async def get(self, path: str, *, headers: dict[str, str] | None = None, method: str = "GET") -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=self._raises)
        async with httpx.AsyncClient(transport=transport, base_url="http://forescale") as client:
            return await client.request(method, f"/api/v1{path}", headers=headers)

    async def json(self, path: str) -> Any:
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


ONE = "/namespaces/mcp/loadforecasts/workload-00001"


async def test_a_workload_is_shown_with_what_is_served_and_why(make_snapshot: MakeSnapshot) -> None:
    found = await Caller(make_snapshot(3)).json(ONE)
    shown = {key: found[key] for key in ("namespace", "name", "served", "reason", "acting", "pods", "age_seconds")}
    assert shown == {
        "namespace": "mcp",
        "name": "workload-00001",
        "served": 21.0,
        "reason": "ForecastActs",
        "acting": True,
        "pods": 3,
        "age_seconds": 15.0,
    }
    assert found["data_time"] == "2023-11-14T22:13:20Z"


async def test_a_refused_number_is_null_with_its_reason_and_no_problem(make_snapshot: MakeSnapshot) -> None:
    caller = Caller(make_snapshot(3), now_s=CUT_S + 1000)
    forecast, explanation = await caller.json(f"{ONE}/forecast"), await caller.json(f"{ONE}/explanation")
    assert (forecast["served"], forecast["reason"], forecast["acting"]) == (None, "Stale", False)
    assert (explanation["served"]["value"], explanation["served"]["quantity"]) == (None, None)
    assert explanation["served"]["text"] == SENTENCES[Reason.STALE]


async def test_pages_follow_each_other_without_gap_or_repetition(make_snapshot: MakeSnapshot) -> None:
    caller = Caller(make_snapshot(7))
    names, path = [], "/workloads?limit=3"
    for _ in range(3):
        page = await caller.json(path)
        names += [item["name"] for item in page["items"]]
        path = f"/workloads?limit=3&continue={page['continue']}"
    assert names == [f"workload-{row:05d}" for row in range(7)]
    assert page["continue"] is None
    assert page["total"] == 7


async def test_a_last_page_that_is_full_promises_no_other(make_snapshot: MakeSnapshot) -> None:
    page = await Caller(make_snapshot(6)).json("/workloads?limit=6")
    assert (len(page["items"]), page["continue"]) == (6, None)


async def test_a_page_goes_on_where_its_last_workload_has_been_deleted(make_snapshot: MakeSnapshot) -> None:
    token = base64.urlsafe_b64encode(b"mcp/workload-00002").decode()
    names = [f"workload-{row:05d}" for row in (0, 1, 3, 4)]
    snapshot = make_snapshot(5)
    kept = tuple(one for one in snapshot.forecasts if one.name in names)
    page = await Caller(make_snapshot(forecasts=kept)).json(f"/workloads?continue={token}")
    assert [item["name"] for item in page["items"]] == names[2:]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("namespace=other", [3]),
        ("acting=false", [1, 2]),
        ("acting=true", [0, 3]),
        ("reason=Shadow", [1]),
        ("reason=NoData", [2]),
        ("search=LOAD-2", [2]),
        ("search=other/", [3]),
        ("namespace=none", []),
    ],
)
async def test_the_list_is_filtered(
    make_snapshot: MakeSnapshot, make_forecast: MakeForecast, query: str, rows: list[int]
) -> None:
    forecasts = (*(make_forecast(f"load-{row}") for row in range(3)), make_forecast("load-3", namespace="other"))
    snapshot = make_snapshot(
        forecasts=forecasts,
        served=np.asarray([1.0, 1.0, np.nan, 1.0]),
        acting=np.asarray([True, False, True, True]),
        reason=("ForecastActs", "Shadow", "NoData", "ForecastActs"),
    )
    page = await Caller(snapshot).json(f"/workloads?{query}")
    assert [item["name"] for item in page["items"]] == [f"load-{row}" for row in rows]
    assert page["total"] == len(rows)


async def test_quantiles_are_those_of_the_snapshot_at_their_times(make_snapshot: MakeSnapshot) -> None:
    found = (await Caller(make_snapshot(3)).json(f"{ONE}/forecast"))["forecast"]
    assert found["times"][:2] == ["2023-11-14T22:14:00Z", "2023-11-14T22:15:00Z"]
    assert len(found["times"]) == 30
    assert [(path["level"], path["values"][0]) for path in found["quantiles"]] == [(0.1, 9.0), (0.5, 13.0), (0.9, 17.0)]


@pytest.mark.parametrize("late_s", [0, 15, 45])
async def test_what_is_expected_goes_on_where_the_history_ends(make_snapshot: MakeSnapshot, late_s: int) -> None:
    snapshot = make_snapshot(3, cut_s=CUT_S - 30 + late_s)
    found = await Caller(snapshot).json(f"{ONE}/forecast")
    assert (found["history"]["times"][-1], found["forecast"]["times"][0]) == (
        "2023-11-14T22:13:00Z",
        "2023-11-14T22:14:00Z",
    )


async def test_history_and_horizon_are_cut_to_what_is_asked_for(make_snapshot: MakeSnapshot) -> None:
    found = await Caller(make_snapshot(3)).json(f"{ONE}/forecast?horizon=300&history=600")
    assert (len(found["forecast"]["times"]), len(found["forecast"]["quantiles"][0]["values"])) == (5, 5)
    assert (len(found["history"]["times"]), len(found["history"]["values"])) == (10, 10)
    assert found["history"]["times"][-1] == "2023-11-14T22:13:00Z"
    assert (await Caller(make_snapshot(3)).json(f"{ONE}/forecast?horizon=0&history=0"))["history"]["times"] == []


async def test_a_gap_in_the_history_is_null_and_not_zero(make_snapshot: MakeSnapshot) -> None:
    history = np.full((3, 4), np.nan, dtype=np.float32)
    history[1] = [0.1, np.nan, np.inf, 0.0]
    found = await Caller(make_snapshot(3, history=history)).json(f"{ONE}/forecast")
    assert found["history"]["values"] == [0.1, None, None, 0.0]


async def test_required_covers_the_lead_and_the_time_until_the_next_number(make_snapshot: MakeSnapshot) -> None:
    found = await Caller(make_snapshot(3)).json(f"{ONE}/forecast")
    assert found["cut"] == "2023-11-14T22:13:30Z"
    assert found["required_until"] == "2023-11-14T22:15:45Z"


async def test_an_unchanged_forecast_is_not_sent_again_but_its_refusal_is(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(3)
    etag = (await Caller(snapshot).get(f"{ONE}/forecast")).headers["etag"]
    again = await Caller(snapshot).get(f"{ONE}/forecast", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    late = await Caller(snapshot, now_s=CUT_S + 1000).get(f"{ONE}/forecast", headers={"if-none-match": etag})
    assert late.status_code == 200


async def test_the_explanation_names_every_step(make_snapshot: MakeSnapshot, make_forecast: MakeForecast) -> None:
    forecast = make_forecast("workload-00001", bounds={"maximum": "20500m"}, objective={"missingPodPrice": 19})
    snapshot = make_snapshot(forecasts=(forecast,), served=np.asarray([20.5]))
    found = await Caller(snapshot).json(f"{ONE}/explanation")
    assert found["demand"]["text"] == "10 requests/s were measured 15 s ago."
    assert (found["lead"]["window_seconds"], found["lead"]["origin"]) == (135, "Measured")
    assert (found["objective"]["missing_pod_price"], found["objective"]["level"]) == (19, 0.95)
    assert (found["required"]["value"], found["required"]["coverage"]) == (20, 0.94)
    assert "acting is 25.0% cheaper" in found["trust"]["text"]
    assert found["bounds"]["binding"] == "maximum"
    assert (found["served"]["quantity"], found["served"]["reason"]) == ("20500m", "ForecastActs")


SCALING = {"container": "server", "resource": "memory", "reference": "512Mi"}


async def test_the_explanation_tells_how_sizes_of_pods_entered(
    make_snapshot: MakeSnapshot, make_forecast: MakeForecast
) -> None:
    forecast = make_forecast("workload-00001", capacityScaling=SCALING)
    sized = Sized(20.5, 31.0, PodSizes(3, 2.5, newest=0.5, largest=1.0))
    snapshot = make_snapshot(forecasts=(forecast,), served=np.asarray([31.0]), sized={forecast.key: sized})
    found = (await Caller(snapshot).json(f"{ONE}/explanation"))["sizes"]
    assert found == {
        "text": "By memory of container server, 3 pods carry as much as 2.5 of the reference size, and further ones "
        "0.5 each. 20.5 requests/s take 3.1 pods, asked for as 31.",
        "load": 20.5,
        "asked": 31,
        "pods": 3,
        "carry": 2.5,
        "newest": 0.5,
        "largest": 1,
    }
    refused = Sized(math.nan, math.nan, sized.sizes)
    snapshot = make_snapshot(forecasts=(forecast,), sized={forecast.key: refused})
    found = (await Caller(snapshot).json(f"{ONE}/explanation"))["sizes"]
    assert (found["load"], found["asked"], found["pods"]) == (None, None, 3)


async def test_sizes_that_do_not_count_or_are_not_known_are_said_to_be_so(
    make_snapshot: MakeSnapshot, make_forecast: MakeForecast
) -> None:
    for spec, text in (
        ({}, "All pods count as capacityPerPod says."),
        ({"capacityScaling": SCALING}, "No pod of the target requests memory of container server"),
    ):
        snapshot = make_snapshot(forecasts=(make_forecast("workload-00001", **spec),))
        found = (await Caller(snapshot).json(f"{ONE}/explanation"))["sizes"]
        assert found["text"].startswith(text)
        assert [name for name, one in found.items() if one is not None] == ["text"]


async def test_what_is_unknown_is_said_to_be_unknown(make_snapshot: MakeSnapshot) -> None:
    columns = ("demand", "data_s", "required", "skill", "coverage", "reactive_cost", "forecast_cost", "level", "served")
    unknown = {name: np.full(3, np.nan) for name in columns}
    notes = {"mcp/workload-00001": "connection refused"}
    snapshot = make_snapshot(3, reason=("SourceUnavailable",) * 3, notes=notes, **unknown)
    found = await Caller(snapshot).json(f"{ONE}/explanation")
    assert found["demand"]["text"] == "No demand is measured."
    assert found["required"]["text"].startswith("There is no forecast")
    assert found["trust"]["text"].startswith("There is no verdict yet")
    assert found["served"]["text"] == f"{SENTENCES[Reason.SOURCE_UNAVAILABLE]} (connection refused)"


def test_every_reason_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Reason)


async def test_health_tells_fresh_from_stale_from_starting(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(3, rejected={"mcp/bad": "spec.capacityPerPod: add it"}, counters={"passes|ok": 4.0})
    fresh = await Caller(snapshot).json("/health")
    assert (fresh["status"], fresh["cut_age_seconds"], fresh["refused"]) == ("Fresh", 5.0, 0)
    assert fresh["rejected"] == [{"key": "mcp/bad", "text": "spec.capacityPerPod: add it"}]
    assert fresh["counters"] == {"passes|ok": 4.0}
    stale = await Caller(snapshot, now_s=CUT_S + 181).json("/health")
    assert (stale["status"], stale["refused"]) == ("Stale", 3)
    assert (await Caller(None).json("/health"))["status"] == "Starting"


async def test_before_the_first_forecast_the_caller_is_told_to_wait() -> None:
    answer = await Caller(None).get("/workloads")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"] == "/api/v1/problems/starting"


@pytest.mark.parametrize(
    ("path", "method", "code", "kind", "words"),
    [
        ("/namespaces/mcp/loadforecasts/none", "GET", 404, "unknown-workload", "GET /api/v1/workloads"),
        ("/namespaces/mcp/loadforecasts/bad", "GET", 404, "unknown-workload", "rejected: add spec"),
        ("/nothing", "GET", 404, "unknown-path", "openapi.json"),
        ("/workloads/", "GET", 404, "unknown-path", "openapi.json"),
        ("/workloads", "POST", 405, "wrong-method", "GET"),
        ("/workloads?limit=0", "GET", 400, "invalid-request", "limit"),
        ("/workloads?reason=Sunny", "GET", 400, "invalid-request", "ForecastActs"),
        ("/workloads?continue=%25%25", "GET", 400, "invalid-request", "first page"),
        ("/workloads?continue=a", "GET", 400, "invalid-request", "first page"),
        (f"{ONE}/forecast?horizon=nan", "GET", 400, "invalid-request", "horizon"),
        (f"{ONE}/forecast?horizon=inf", "GET", 400, "invalid-request", "horizon"),
    ],
)
async def test_errors_are_problem_details_that_say_what_to_do(
    make_snapshot: MakeSnapshot, path: str, method: str, code: int, kind: str, words: str
) -> None:
    answer = await Caller(make_snapshot(3, rejected={"mcp/bad": "add spec"})).get(path, method=method)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json")
    assert (problem["type"], problem["status"]) == (f"/api/v1/problems/{kind}", code)
    assert words in problem["detail"]
    assert problem["instance"] == f"/api/v1{path.partition('?')[0]}"


async def test_a_defect_is_a_problem_that_gives_nothing_away(make_snapshot: MakeSnapshot) -> None:
    broken = make_snapshot(3, quantiles=np.zeros((0, 1, 3), dtype=np.float32))
    answer = await Caller(broken, raises=False).get(f"{ONE}/forecast")
    assert (answer.status_code, answer.json()["type"]) == (500, "/api/v1/problems/defect")
    assert "index" not in answer.text


async def test_the_type_of_each_problem_leads_to_its_explanation(make_snapshot: MakeSnapshot) -> None:
    caller = Caller(make_snapshot(1))
    for kind in KINDS.values():
        assert (await caller.json(kind.type.removeprefix("/api/v1")))["remedy"] == kind.remedy
    assert (await caller.get("/problems/none")).status_code == 404


async def test_every_route_documents_its_answer_its_errors_and_its_parameters(make_snapshot: MakeSnapshot) -> None:
    page = await Caller(make_snapshot(1)).json("/openapi.json")
    assert page["servers"] == [{"url": "/api/v1"}]
    operations = [(path, verb, one) for path, verbs in page["paths"].items() for verb, one in verbs.items()]
    assert len(operations) == 17
    for path, verb, operation in operations:
        assert operation["summary"], path
        answered = operation["responses"]["200" if verb == "get" else "202"]
        assert answered["content"]["application/json"]["schema"]["$ref"], path
        assert list(operation["responses"]["4XX"]["content"]) == ["application/problem+json"], path
        assert "422" not in operation["responses"], path
        for parameter in operation.get("parameters", []):
            assert parameter.get("description") or parameter["in"] == "header", (path, parameter["name"])
    for name, schema in page["components"]["schemas"].items():
        assert schema.get("description"), name


async def test_the_poll_interval_is_that_of_the_machine_also_in_a_played_hour(make_snapshot: MakeSnapshot) -> None:
    clock = PlayedClock(start_s=CUT_S, epoch_s=0.0, speed=5.0)
    transport = httpx.ASGITransport(rest_app(SnapshotStore(make_snapshot(1)), clock, NoInquiries()))
    async with httpx.AsyncClient(transport=transport, base_url="http://forescale") as client:
        assert (await client.get("/workloads")).json()["poll_seconds"] == 3.0


async def test_the_list_is_ordered_by_a_number_over_all_pages(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(5)
    snapshot.skill[:] = [0.1, np.nan, 0.5, -0.2, 0.5]
    caller, found, token = Caller(snapshot), [], ""
    while token is not None:
        page = await caller.json(f"/workloads?limit=2&sort=-skill{token and '&continue=' + token}")
        found += [item["name"][-1] for item in page["items"]]
        token = page["continue"]
    assert found == ["2", "4", "0", "3", "1"]


async def test_a_token_of_another_order_is_refused(make_snapshot: MakeSnapshot) -> None:
    caller = Caller(make_snapshot(5))
    token = (await caller.json("/workloads?limit=2"))["continue"]
    answer = await caller.get(f"/workloads?sort=age&continue={token}")
    assert (answer.status_code, "first page" in answer.json()["detail"]) == (400, True)


async def test_a_sparkline_keeps_the_peaks_and_the_gaps(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(1)
    snapshot.history[0, 30], snapshot.history[0, -6:] = 99, np.nan
    page = await Caller(snapshot).json("/workloads?sparkline=10")
    line = page["items"][0]["sparkline"]
    assert (len(line), max(line[:-1]), line[-1]) == (10, 99, None)
