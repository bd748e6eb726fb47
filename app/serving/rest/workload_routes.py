"""Routes of REST v1 that read the snapshot alone: workloads, forecasts, explanations of now, quality."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response

from app.clock import Clock
from app.reasons import Reason
from app.serving.rest.context import ONE, Name, Namespace, moment, unchanged
from app.serving.rest.draining import drain_answer
from app.serving.rest.parting import parts_answer
from app.serving.rest.problems import ProblemError
from app.serving.rest.quality import quality_of
from app.serving.rest.reading import (
    Extent,
    Filter,
    after_of,
    forecast_of,
    in_order,
    matching,
    page_from,
    page_of,
    place_of,
    sparkline_of,
    time_of,
    workload_of,
)
from app.serving.rest.schemas import Drain, Forecast, Parts, Quality, Workload, WorkloadPage
from app.snapshot import SnapshotStore, row_view

_DEFAULT_HISTORY_SECONDS = 6 * 3600
_LEAST_POLL_SECONDS = 1.0

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "As given before (If-None-Match)"}}
Order = Literal[
    "served", "-served", "demand", "-demand", "required", "-required", "skill", "-skill", "coverage", "-coverage",
    "age", "-age",
]  # fmt: skip
IfNoneMatch = Annotated[str | None, Header(description="ETag of what the caller has")]


def add_collection(routes: APIRouter, store: SnapshotStore, clock: Clock) -> None:
    """All workloads."""

    @routes.get(
        "/workloads",
        summary="All workloads, by page",
        tags=["workloads"],
        response_model=WorkloadPage,
        responses=NOT_MODIFIED,
    )
    def workloads(
        response: Response,
        limit: Annotated[int, Query(ge=1, le=500, description="workloads on a page")] = 100,
        token: Annotated[str | None, Query(alias="continue", description="of the page before")] = None,
        namespace: Annotated[str | None, Query(description="only this one; suffices for who may read only it")] = None,
        acting: Annotated[bool | None, Query(description="only where the forecast is (not) served")] = None,
        reason: Annotated[Reason | None, Query(description="only with this reason")] = None,
        search: Annotated[str | None, Query(max_length=253, description="part of namespace/name")] = None,
        sort: Annotated[Order | None, Query(description="by this number, `-` for falling; default: by name")] = None,
        sparkline: Annotated[int, Query(ge=0, le=100, description="points of the last day to give with each")] = 0,
        if_none_match: IfNoneMatch = None,
    ) -> WorkloadPage | Response:
        at = moment(store, clock)
        same = unchanged(at.etag(), if_none_match, response)
        if same is not None:
            return same
        wanted = Filter(namespace=namespace, acting=acting, reason=reason and str(reason), search=search)
        rows = matching(at.snapshot, wanted, now=at.now)
        try:
            if sort is None:
                after = None if token is None else after_of(token)
                page, more = page_of(at.snapshot, rows, limit=limit, after=after)
            else:
                rows = in_order(at.snapshot, rows, sort.removeprefix("-"), falling=sort[0] == "-", now=at.now)
                page, more = page_from(rows, limit=limit, start=place_of(token))
        except ValueError as error:
            raise ProblemError("invalid-request", f"{error}; leave it out to start from the first page") from error
        return WorkloadPage(
            cut=time_of(at.snapshot.cut_s),
            poll_seconds=max(clock.real_seconds(at.snapshot.refresh_seconds), _LEAST_POLL_SECONDS),
            total=len(rows),
            items=[
                workload_of(
                    row_view(at.snapshot, row, now=at.now),
                    sparkline=sparkline_of(at.snapshot, row, sparkline) if sparkline else None,
                )
                for row in page
            ],
            continue_token=more,
        )


def add_workload(routes: APIRouter, store: SnapshotStore, clock: Clock) -> None:
    """One workload."""

    @routes.get(ONE, summary="One workload", tags=["workloads"], response_model=Workload, responses=NOT_MODIFIED)
    def workload(
        namespace: Namespace, name: Name, response: Response, if_none_match: IfNoneMatch = None
    ) -> Workload | Response:
        at = moment(store, clock)
        row = at.row(namespace, name)
        same = unchanged(at.etag(row), if_none_match, response)
        return same or workload_of(row_view(at.snapshot, row, now=at.now))

    @routes.get(
        f"{ONE}/forecast",
        summary="History, quantiles ahead, and what they require",
        tags=["workloads"],
        response_model=Forecast,
        responses=NOT_MODIFIED,
    )
    def forecast(
        namespace: Namespace,
        name: Name,
        response: Response,
        horizon: Annotated[
            float | None,
            Query(ge=0, le=1e9, allow_inf_nan=False, description="seconds ahead; default: all there are, 6 h at most"),
        ] = None,
        history: Annotated[
            float, Query(ge=0, le=1e9, allow_inf_nan=False, description="seconds back, a day at most")
        ] = _DEFAULT_HISTORY_SECONDS,
        levels: Annotated[
            str | None,
            Query(max_length=100, description="quantiles, comma between; default: all", examples=["0.5,0.95"]),
        ] = None,
        step: Annotated[
            int | None, Query(ge=1, le=86_400, description="seconds between points, rounded down to the grid's")
        ] = None,
        if_none_match: IfNoneMatch = None,
    ) -> Forecast | Response:
        at = moment(store, clock)
        row = at.row(namespace, name)
        extent = Extent(history, horizon, _levels(levels, at.snapshot.levels), step)
        same = unchanged(at.etag(row), if_none_match, response)
        return same or forecast_of(at.snapshot, row, extent, now=at.now)

    @routes.get(
        f"{ONE}/quality",
        summary="How good the forecast was on the last days",
        tags=["workloads"],
        response_model=Quality,
        responses=NOT_MODIFIED,
    )
    def quality(
        namespace: Namespace, name: Name, response: Response, if_none_match: IfNoneMatch = None
    ) -> Quality | Response:
        at = moment(store, clock)
        row = at.row(namespace, name)
        same = unchanged(at.etag(row), if_none_match, response)
        return same or quality_of(at.snapshot, row, now=at.now)


def add_parts_and_drain(routes: APIRouter, store: SnapshotStore, clock: Clock) -> None:
    """Of one workload: what its load is made of, and what its pods are busy with."""

    @routes.get(
        f"{ONE}/parts",
        summary="Demand told apart by labels, now and ahead",
        tags=["workloads"],
        response_model=Parts,
        responses=NOT_MODIFIED,
    )
    def parts(
        namespace: Namespace,
        name: Name,
        response: Response,
        by: Annotated[
            str | None,
            Query(max_length=600, description="labels, comma between: parts that agree in them are one; default: all"),
        ] = None,
        level: Annotated[float, Query(ge=0, le=1, description="quantile of the whole that is divided")] = 0.5,
        horizon: Annotated[
            float, Query(ge=0, le=1e9, allow_inf_nan=False, description="seconds ahead, 6 h at most")
        ] = 3_600,
        if_none_match: IfNoneMatch = None,
    ) -> Parts | Response:
        at = moment(store, clock)
        row = at.row(namespace, name)
        same = unchanged(at.etag(row), if_none_match, response)
        chosen = None if by is None else [one.strip() for one in by.split(",")]
        return same or parts_answer(at.snapshot, row, level=level, by=chosen, horizon_seconds=horizon, now=at.now)

    @routes.get(
        f"{ONE}/drain",
        summary="Which pods go first when it is scaled in",
        tags=["workloads"],
        response_model=Drain,
        responses=NOT_MODIFIED,
    )
    def drain(
        namespace: Namespace, name: Name, response: Response, if_none_match: IfNoneMatch = None
    ) -> Drain | Response:
        at = moment(store, clock)
        row = at.row(namespace, name)
        same = unchanged(at.etag(row), if_none_match, response)
        return same or drain_answer(at.snapshot, row)


def _levels(given: str | None, known: tuple[float, ...]) -> tuple[float, ...] | None:
    if given is None:
        return None
    try:
        wanted = tuple(float(one) for one in given.split(","))
    except ValueError:
        wanted = ()
    if not wanted or any(one not in known for one in wanted):
        text = f"levels={given}: choose among {', '.join(f'{one:g}' for one in known)}, with a comma between"
        raise ProblemError("invalid-request", text)
    return wanted
