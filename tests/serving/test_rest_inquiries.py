"""Questions that take a while: 202 until the answer is there, refusals that say what to do, and whose answer it is."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from app.inquiries import Curves, Inquiries, PolicyCost, State, ThenQuestion, WhatIfAnswer, WhatIfQuestion, WhatIfTerms
from app.serving.rest.routes import rest_app
from app.snapshot import Snapshot, SnapshotStore
from tests.serving.rest_doubles import FixedClock, NoInquiries, ScriptedInquiries

MakeSnapshot = Callable[..., Snapshot]
CUT_S = 1_700_000_010
ONE = "/namespaces/mcp/loadforecasts/workload-00001"
CSV = {"content-type": "text/csv"}


def an_answer() -> WhatIfAnswer:
    cost = PolicyCost("some policy", 1.5, 1.2, 0.01, 3, 120.0, 6.0, None)
    curves = Curves(np.asarray([CUT_S]), np.ones(1), {"hpa": np.ones(1)})
    return WhatIfAnswer("history", WhatIfTerms(), 10.0, 60, {"hpa": cost}, 0.5, 1.0, "It would have helped.", curves)


async def call(
    snapshot: Snapshot | None, inquiries: Inquiries, path: str, *, method: str = "GET", **arguments: Any
) -> httpx.Response:
    app = rest_app(SnapshotStore(snapshot), FixedClock(), inquiries)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://forescale") as client:
        return await client.request(method, path, **arguments)


@pytest.fixture
def asked() -> ScriptedInquiries:
    return ScriptedInquiries()


async def test_a_past_explanation_is_worked_on_and_then_there(
    make_snapshot: MakeSnapshot, asked: ScriptedInquiries
) -> None:
    path = f"{ONE}/explanation?at=2023-11-14T23:05:00%2B01:00"
    first = await call(make_snapshot(3), asked, path)
    assert (first.status_code, first.json()["progress"], first.headers["retry-after"]) == (202, 0.5, "1")
    assert first.headers["location"] == f"/api/v1{ONE}/explanation?at=2023-11-14T22:05:00Z"
    (question,) = asked.questions
    assert isinstance(question, ThenQuestion)
    assert (question.forecast.name, question.at_s, question.fleet) == ("workload-00001", 1_699_999_500, 3)
    asked.state, asked.answer = State.DONE, make_snapshot(1, cut_s=1_699_999_485)
    then = await call(make_snapshot(3), asked, path)
    assert (then.status_code, then.json()["recomputed"], then.json()["served"]["value"]) == (200, True, 20.0)
    assert then.json()["cut"] == "2023-11-14T22:04:45Z"


async def test_a_past_time_is_explained_with_the_lead_that_was_planned_with_then(
    make_snapshot: MakeSnapshot, asked: ScriptedInquiries
) -> None:
    path = f"{ONE}/explanation?at=2023-11-14T22:05:00Z&lead_seconds=77"
    first = await call(make_snapshot(3), asked, path)
    (question,) = asked.questions
    assert isinstance(question, ThenQuestion)
    assert (question.lead_seconds, question.lead_origin) == (77, "Given")
    assert first.headers["location"].endswith("at=2023-11-14T22:05:00Z&lead_seconds=77")


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2023-11-14T22:30:00Z", "not past yet"),
        ("2020-01-01T00:00:00Z", "days ago"),
        ("2023-11-14T22:00:00", "timezone"),
    ],
)
async def test_a_time_that_cannot_be_explained_is_refused_with_the_reason(
    make_snapshot: MakeSnapshot, asked: ScriptedInquiries, at: str, words: str
) -> None:
    answer = await call(make_snapshot(3), asked, f"{ONE}/explanation?at={at}")
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert asked.questions == []


async def test_a_what_if_of_a_workload_takes_its_terms_from_the_query(
    make_snapshot: MakeSnapshot, asked: ScriptedInquiries
) -> None:
    path = f"{ONE}/what-if?lead_minutes=3&price=50&days=7&min_pods=2&stabilization_minutes=0&time_zone=Asia/Tokyo"
    accepted = await call(make_snapshot(3), asked, path, method="POST")
    assert accepted.status_code == 202
    (question,) = asked.questions
    assert isinstance(question, WhatIfQuestion)
    assert question.forecast is not None
    assert (question.forecast.name, question.days) == ("workload-00001", 7)
    assert question.terms == WhatIfTerms(
        lead_minutes=3, price=50, min_pods=2, stabilization_minutes=0, time_zone="Asia/Tokyo"
    )
    place = accepted.headers["location"].removeprefix("/api/v1")
    assert (await call(make_snapshot(3), asked, place)).status_code == 202
    asked.state, asked.answer = State.DONE, an_answer()
    done = (await call(make_snapshot(3), asked, place)).json()
    assert (done["state"], done["gap_closed"], done["policies"]["hpa"]["pod_minutes"]) == ("Done", 0.5, 120.0)


async def test_a_what_if_of_a_zone_that_is_not_known_is_refused(
    make_snapshot: MakeSnapshot, asked: ScriptedInquiries
) -> None:
    answer = await call(make_snapshot(3), asked, f"{ONE}/what-if?time_zone=Berlin", method="POST")
    assert (answer.status_code, "not an IANA time zone" in answer.json()["detail"]) == (400, True)
    assert asked.questions == []


async def test_another_replica_that_is_asked_for_the_answer_works_on_the_same_question(
    make_snapshot: MakeSnapshot, asked: ScriptedInquiries
) -> None:
    answer = await call(make_snapshot(3), asked, f"{ONE}/what-if/of-another-replica?price=50")
    assert answer.status_code == 202
    assert [one.terms.price for one in asked.questions if isinstance(one, WhatIfQuestion)] == [50]


async def test_the_answer_of_one_workload_is_not_given_at_another_ones_address(
    make_snapshot: MakeSnapshot, asked: ScriptedInquiries
) -> None:
    """Who may read one LoadForecast may not read another by its question's identity."""
    await call(make_snapshot(3), asked, f"{ONE}/what-if", method="POST")
    await call(make_snapshot(3), asked, ONE.replace("00001", "00002") + "/what-if/0")
    assert [one.scope for one in asked.questions] == ["mcp/workload-00001", "mcp/workload-00002"]
    assert (await call(make_snapshot(3), asked, "/what-if/0")).status_code == 404


async def test_an_upload_is_taken_as_csv_only_and_up_to_its_limit(
    make_snapshot: MakeSnapshot, asked: ScriptedInquiries
) -> None:
    form = await call(make_snapshot(1), asked, "/what-if", method="POST", content=b"a=1")
    assert (form.status_code, "text/csv" in form.json()["detail"]) == (400, True)
    large = await call(make_snapshot(1), asked, "/what-if", method="POST", content=b"0" * 8_000_001, headers=CSV)
    assert (large.status_code, large.json()["type"]) == (413, "/api/v1/problems/too-large")
    taken = await call(make_snapshot(1), asked, "/what-if?lead_minutes=2", method="POST", content=b"x", headers=CSV)
    assert (taken.status_code, taken.headers["location"]) == (202, "/api/v1/what-if/0")
    assert asked.questions == [WhatIfQuestion(WhatIfTerms(lead_minutes=2), csv=b"x")]


async def test_a_question_without_an_answer_says_why(make_snapshot: MakeSnapshot, asked: ScriptedInquiries) -> None:
    asked.state, asked.text = State.FAILED, "the upload: needs a column named timestamp"
    await call(make_snapshot(1), asked, "/what-if", method="POST", content=b"x", headers=CSV)
    answer = await call(make_snapshot(1), asked, "/what-if/0")
    assert (answer.status_code, answer.json()["detail"]) == (422, asked.text)


async def test_too_many_questions_are_asked_to_come_back(make_snapshot: MakeSnapshot) -> None:
    answer = await call(make_snapshot(1), NoInquiries(), "/what-if", method="POST", content=b"x", headers=CSV)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")


async def test_the_last_days_are_told_with_pods_shortage_and_coverage(make_snapshot: MakeSnapshot) -> None:
    found = (await call(make_snapshot(2), NoInquiries(), f"{ONE}/quality")).json()
    assert [day["end"] for day in found["days"]] == [f"2023-11-{day}T22:03:30Z" for day in (12, 13, 14)]
    day = found["days"][0]
    assert (day["hours"], day["coverage"], day["skill"]) == (24, 0.96, 0.2)
    price = found["missing_pod_price"]
    assert price == 19  # as planned with; the LoadForecast's own price is 20
    assert (day["reactive_pod_minutes"], day["forecast_pod_minutes"]) == (1000 - price * 5, 800 - price * 2)
    assert "429 pod-minutes fewer" in found["text"]
    assert "9 pod-minutes fewer" in found["text"]


async def test_a_forecast_is_thinned_and_reduced_to_the_levels_that_are_asked_for(make_snapshot: MakeSnapshot) -> None:
    path = f"{ONE}/forecast?levels=0.9&step=300&horizon=900&history=600"
    found = (await call(make_snapshot(2), NoInquiries(), path)).json()
    assert [one["level"] for one in found["forecast"]["quantiles"]] == [0.9]
    assert found["forecast"]["times"] == [f"2023-11-14T22:{minute}:00Z" for minute in (18, 23, 28)]
    assert len(found["history"]["values"]) == len(found["served_history"]["values"]) == 2
    assert found["served_history"]["values"] == [21, 21]
    wrong = await call(make_snapshot(2), NoInquiries(), f"{ONE}/forecast?levels=0.42")
    assert (wrong.status_code, "0.1, 0.5, 0.9" in wrong.json()["detail"]) == (400, True)


@pytest.mark.parametrize("path", ["/workloads", ONE, f"{ONE}/forecast", f"{ONE}/explanation", f"{ONE}/quality"])
async def test_what_did_not_change_is_not_sent_again(make_snapshot: MakeSnapshot, path: str) -> None:
    snapshot = make_snapshot(2)
    first = await call(snapshot, NoInquiries(), path)
    again = await call(snapshot, NoInquiries(), path, headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    changed = make_snapshot(2, cut_s=CUT_S - 15)
    later = await call(changed, NoInquiries(), path, headers={"if-none-match": first.headers["etag"]})
    assert later.status_code == 200


async def test_long_answers_are_compressed(make_snapshot: MakeSnapshot) -> None:
    answer = await call(make_snapshot(50), NoInquiries(), "/workloads", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()["items"]) == 50
