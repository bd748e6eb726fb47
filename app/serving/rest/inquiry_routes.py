"""Routes of REST v1 whose answer takes a while: explanations of a past time, and what-ifs. 202 until it is there.

They read: whoever may see a LoadForecast may ask about it. An upload belongs to whoever knows its address.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from app.clock import Clock
from app.inquiries import (
    Inquiries,
    Inquiry,
    Question,
    State,
    ThenQuestion,
    TooManyInquiries,
    WhatIfAnswer,
    WhatIfQuestion,
    WhatIfTerms,
)
from app.serving.rest.context import ONE, Name, Namespace, moment, unchanged
from app.serving.rest.explanation import GIVEN, explain
from app.serving.rest.inquiry_schemas import Pending, WhatIf, pending, what_if
from app.serving.rest.problems import PREFIX, ProblemError
from app.serving.rest.schemas import Explanation
from app.snapshot import Snapshot, SnapshotStore, row_view
from app.workloads.fields import TimeZone

UPLOAD_BYTES = 8_000_000

_POLL_SECONDS = 1
_BUSY_SECONDS = 30
_LONGEST_AGO_DAYS = 366
_PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": Pending, "description": "Being worked on; ask the address in Location again"}
}
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"timestamp,value; any step, gaps allowed; at most {UPLOAD_BYTES // 1_000_000} MB",
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "timestamp,value\n2026-01-01T00:00:00Z,12.5\n2026-01-01T00:01:00Z,13\n",
            }
        },
    }
}


def _terms(
    lead_minutes: Annotated[int, Query(ge=1, le=240, description="minutes that a new pod needs")] = 5,
    price: Annotated[
        float, Query(ge=0.1, le=1e6, allow_inf_nan=False, description="a missing pod-minute in idle ones")
    ] = 20.0,
    capacity_per_pod: Annotated[
        float | None, Query(gt=0, le=1e15, allow_inf_nan=False, description="default: a 20th of the mean load")
    ] = None,
    every_minutes: Annotated[int, Query(ge=1, le=60, description="between two forecasts")] = 1,
    scored_from: Annotated[
        float, Query(gt=0, lt=1, allow_inf_nan=False, description="share of the history that only teaches")
    ] = 0.5,
    fleet: Annotated[bool, Query(description="only the experts that thousands of workloads get")] = False,
    target_utilisation: Annotated[float, Query(ge=0.05, le=1, description="of the HPA to compare with")] = 0.7,
    tolerance: Annotated[float, Query(ge=0, le=1, description="of the HPA")] = 0.1,
    stabilization_minutes: Annotated[int, Query(ge=0, le=60, description="of the HPA when it scales in")] = 5,
    min_pods: Annotated[int, Query(ge=1, le=10_000, description="minReplicas of the HPA")] = 1,
    pod_hour_cost: Annotated[
        float | None, Query(ge=0, le=1e9, allow_inf_nan=False, description="money, in any currency")
    ] = None,
    time_zone: Annotated[
        TimeZone | None, Query(description="IANA name; default: the LoadForecast's, of an upload UTC")
    ] = None,
) -> WhatIfTerms:
    return WhatIfTerms(
        lead_minutes=lead_minutes,
        price=price,
        capacity_per_pod=capacity_per_pod,
        every_minutes=every_minutes,
        scored_from=scored_from,
        fleet=fleet,
        target_utilisation=target_utilisation,
        tolerance=tolerance,
        stabilization_minutes=stabilization_minutes,
        min_pods=min_pods,
        pod_hour_cost=pod_hour_cost,
        time_zone=time_zone,
    )


Terms = Annotated[WhatIfTerms, Depends(_terms)]
Days = Annotated[float, Query(gt=0, le=366, allow_inf_nan=False, description="of its history")]
Identity = Annotated[str, Path(max_length=100, description="as given in Location")]


def add_explanation(routes: APIRouter, store: SnapshotStore, clock: Clock, inquiries: Inquiries) -> None:
    """Of now from the snapshot, of a past time through an inquiry."""
    path = f"{ONE}/explanation"

    @routes.get(
        path,
        summary="The served number step by step; also where none is served, and of a past time",
        tags=["workloads"],
        response_model=Explanation,
        responses={**_PENDING, 304: {"description": "As given before (If-None-Match)"}},
    )
    def explanation(
        namespace: Namespace,
        name: Name,
        response: Response,
        at: Annotated[
            AwareDatetime | None,
            Query(description="past time with its zone; computed anew from the history, with today's LoadForecast"),
        ] = None,
        lead_seconds: Annotated[
            int | None,
            Query(ge=1, le=86_400, description="planned with then, if it has changed since; of no use without `at`"),
        ] = None,
        if_none_match: Annotated[str | None, Header(description="ETag of what the caller has")] = None,
    ) -> Explanation | Response:
        this = moment(store, clock)
        row = this.row(namespace, name)
        view = row_view(this.snapshot, row, now=this.now)
        if at is None:
            return unchanged(this.etag(row), if_none_match, response) or explain(this.snapshot, view)
        at_s = _past(at, this.now)
        question = ThenQuestion(
            view.forecast,
            at_s,
            view.lead_seconds if lead_seconds is None else lead_seconds,
            view.lead_origin if lead_seconds is None else GIVEN,
            fleet=len(this.snapshot.forecasts),
            price=view.price if view.forecast.spec.costs.pool is not None else None,
            sizes=None if view.sized is None else view.sized.sizes,
        )
        inquiry = _asked(inquiries, question)
        location = f"{PREFIX}{path.format(namespace=namespace, name=name)}?at={_stamp(at_s)}"
        location += "" if lead_seconds is None else f"&lead_seconds={lead_seconds}"
        then = _answered(inquiry, location=location)
        if isinstance(then, Response):
            return then
        assert isinstance(then, Snapshot)
        return explain(then, row_view(then, 0, now=at_s), recomputed=True)


def add_what_ifs(routes: APIRouter, store: SnapshotStore, clock: Clock, inquiries: Inquiries) -> None:
    """Of a workload's own past, and of an uploaded one."""
    own = f"{ONE}/what-if"

    def question(namespace: str, name: str, terms: WhatIfTerms, days: float) -> WhatIfQuestion:
        this = moment(store, clock)
        return WhatIfQuestion(terms, forecast=this.snapshot.forecasts[this.row(namespace, name)], days=days)

    def place(namespace: str, name: str, inquiry: Inquiry, request: Request) -> str:
        query = f"?{request.url.query}" if request.url.query else ""
        return f"{PREFIX}{own.format(namespace=namespace, name=name)}/{inquiry.identity}{query}"

    @routes.post(
        own,
        summary="What the workload's past would have cost",
        tags=["what-if"],
        status_code=202,
        response_model=Pending,
    )
    def ask(
        namespace: Namespace,
        name: Name,
        terms: Terms,
        request: Request,
        days: Days = 28,
    ) -> Response:
        inquiry = _asked(inquiries, question(namespace, name, terms, days))
        return _accepted(inquiry, place(namespace, name, inquiry, request))

    @routes.get(
        own + "/{identity}",
        summary="Its answer",
        tags=["what-if"],
        response_model=WhatIf,
        responses=_PENDING,
    )
    def find(
        namespace: Namespace, name: Name, identity: Identity, terms: Terms, request: Request, days: Days = 28
    ) -> WhatIf | Response:
        """The parameters are those of the question: a replica that does not know it yet works on it too."""
        asked = question(namespace, name, terms, days)
        inquiry = inquiries.find(identity)
        if inquiry is None or inquiry.scope != asked.scope:
            inquiry = _asked(inquiries, asked)
        return _told(inquiry, place(namespace, name, inquiry, request))

    @routes.post(
        "/what-if",
        summary="What an uploaded past would have cost",
        tags=["what-if"],
        status_code=202,
        response_model=Pending,
        openapi_extra=_UPLOAD,
    )
    async def upload(request: Request, terms: Terms) -> Response:
        content = await _body(request)
        inquiry = _asked(inquiries, WhatIfQuestion(terms, csv=content))
        return _accepted(inquiry, f"{PREFIX}/what-if/{inquiry.identity}")

    @routes.get(
        "/what-if/{identity}",
        summary="Its answer",
        tags=["what-if"],
        response_model=WhatIf,
        responses=_PENDING,
    )
    def find_upload(request: Request, identity: Identity) -> WhatIf | Response:
        inquiry = inquiries.find(identity)
        if inquiry is None or inquiry.scope:
            raise ProblemError("unknown-inquiry", "No such upload here; another replica may have it. Send it again.")
        return _told(inquiry, request.url.path)


async def _body(request: Request) -> bytes:
    """At most UPLOAD_BYTES of text/csv: a form of another site cannot send that without being asked first."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "text/csv":
        raise ProblemError("invalid-request", f"content-type {media_type or 'is missing'}: send the CSV as text/csv")
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > UPLOAD_BYTES:
            raise ProblemError("too-large", f"{UPLOAD_BYTES:,} bytes are the limit")
    return bytes(found)


def _past(at: datetime, now: float) -> int:
    seconds = at.astimezone(UTC).timestamp()
    if seconds >= now:
        raise ProblemError("invalid-request", f"at={at.isoformat()} is not past yet; leave it out for now")
    if now - seconds > _LONGEST_AGO_DAYS * 86_400:
        raise ProblemError("invalid-request", f"at={at.isoformat()} is more than {_LONGEST_AGO_DAYS} days ago")
    return int(seconds)


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _asked(inquiries: Inquiries, question: Question) -> Inquiry:
    try:
        return inquiries.ask(question)
    except TooManyInquiries as error:
        raise ProblemError("busy", f"{error}", headers={"retry-after": str(_BUSY_SECONDS)}) from error


def _accepted(inquiry: Inquiry, location: str) -> Response:
    body = pending(inquiry, location=location).model_dump(mode="json")
    return JSONResponse(body, status_code=202, headers={"location": location, "retry-after": str(_POLL_SECONDS)})


def _answered(inquiry: Inquiry, *, location: str) -> Any:
    """The answer, or the 202 that says how far it is. Raises ProblemError for a question without an answer."""
    if inquiry.state is State.FAILED:
        raise ProblemError("not-answerable", inquiry.text)
    return inquiry.answer if inquiry.state is State.DONE else _accepted(inquiry, location)


def _told(inquiry: Inquiry, location: str) -> WhatIf | Response:
    found = _answered(inquiry, location=location)
    if isinstance(found, WhatIfAnswer):
        return what_if(found)
    if isinstance(found, Response):
        return found
    raise ProblemError("unknown-inquiry", "This address belongs to another kind of question.")
