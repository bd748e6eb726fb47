"""REST v1 as an application of its own, so that all its errors are problem details and its OpenAPI page is whole.

Mounted at /api/v1. Routes are plain functions: the framework runs them in threads, so that a page of thousands of
workloads does not hold up the external metrics door.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Path, Query, Response
from fastapi.openapi.utils import get_openapi

from app import __version__
from app.clock import Clock
from app.reasons import Reason
from app.serving.rest.explanation import explain
from app.serving.rest.problems import KINDS, MEDIA_TYPE, PREFIX, Problem, ProblemError, ProblemKind, install
from app.serving.rest.reading import (
    Filter,
    after_of,
    forecast_of,
    health_of,
    matching,
    page_of,
    time_of,
    workload_of,
)
from app.serving.rest.schemas import Explanation, Forecast, Health, Workload, WorkloadPage
from app.snapshot import Snapshot, SnapshotStore, row_view

_DEFAULT_HISTORY_SECONDS = 6 * 3600
_SOON_SECONDS = 5
_LEAST_POLL_SECONDS = 1.0

Namespace = Annotated[str, Path(description="of the LoadForecast", max_length=63)]
Name = Annotated[str, Path(description="of the LoadForecast", max_length=253)]


def rest_app(store: SnapshotStore, clock: Clock) -> FastAPI:
    """The application to mount at /api/v1."""
    app = FastAPI(
        title="Forescale",
        version=__version__,
        summary="Forecast load of workloads, and the number served to the Kubernetes HPA.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    install(app)
    app.include_router(router(store, clock))
    app.openapi = _problems_in_openapi(app)  # type: ignore[method-assign]
    return app


def router(store: SnapshotStore, clock: Clock) -> APIRouter:
    """The routes alone, without /api/v1 in front. Reads the store's latest snapshot, once per request."""
    errors: dict[int | str, dict[str, Any]] = {
        code: {"model": Problem, "description": "Problem details (RFC 9457)"} for code in ("4XX", "5XX")
    }
    routes = APIRouter(responses=errors)
    _add_collection(routes, store, clock)
    _add_workload(routes, store, clock)
    _add_service(routes, store, clock)
    return routes


def _add_collection(routes: APIRouter, store: SnapshotStore, clock: Clock) -> None:
    @routes.get("/workloads", summary="All workloads, by page", tags=["workloads"])
    def workloads(
        limit: Annotated[int, Query(ge=1, le=500, description="workloads on a page")] = 100,
        token: Annotated[str | None, Query(alias="continue", description="of the page before")] = None,
        namespace: Annotated[str | None, Query(description="only this one")] = None,
        acting: Annotated[bool | None, Query(description="only where the forecast is (not) served")] = None,
        reason: Annotated[Reason | None, Query(description="only with this reason")] = None,
        search: Annotated[str | None, Query(max_length=253, description="part of namespace/name")] = None,
    ) -> WorkloadPage:
        snapshot, now = _latest(store), clock.now()
        wanted = Filter(namespace=namespace, acting=acting, reason=reason and str(reason), search=search)
        rows = matching(snapshot, wanted, now=now)
        page, more = page_of(snapshot, rows, limit=limit, after=None if token is None else _after(token))
        poll_seconds = max(clock.real_seconds(snapshot.refresh_seconds), _LEAST_POLL_SECONDS)
        return WorkloadPage(
            cut=time_of(snapshot.cut_s),
            poll_seconds=poll_seconds,
            total=len(rows),
            items=[workload_of(row_view(snapshot, row, now=now)) for row in page],
            continue_token=more,
        )


def _add_workload(routes: APIRouter, store: SnapshotStore, clock: Clock) -> None:
    @routes.get("/namespaces/{namespace}/loadforecasts/{name}", summary="One workload", tags=["workloads"])
    def workload(namespace: Namespace, name: Name) -> Workload:
        snapshot = _latest(store)
        return workload_of(row_view(snapshot, _row(snapshot, namespace, name), now=clock.now()))

    @routes.get(
        "/namespaces/{namespace}/loadforecasts/{name}/forecast",
        summary="History, quantiles ahead, and what they require",
        tags=["workloads"],
        response_model=Forecast,
        responses={304: {"description": "As given before (If-None-Match)"}},
    )
    def forecast(
        namespace: Namespace,
        name: Name,
        response: Response,
        horizon: Annotated[
            float | None, Query(ge=0, allow_inf_nan=False, description="seconds ahead; default: all there are")
        ] = None,
        history: Annotated[
            float, Query(ge=0, allow_inf_nan=False, description="seconds back")
        ] = _DEFAULT_HISTORY_SECONDS,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Forecast | Response:
        snapshot, now = _latest(store), clock.now()
        row = _row(snapshot, namespace, name)
        etag = f'W/"{snapshot.cut_s}-{snapshot.fitted_s:.0f}-{snapshot.refusal(row, now) or "served"}"'
        headers = {"etag": etag, "cache-control": "no-cache, private"}
        if if_none_match == etag:
            return Response(status_code=304, headers=headers)
        response.headers.update(headers)
        return forecast_of(snapshot, row, now=now, history_seconds=history, horizon_seconds=horizon)

    @routes.get(
        "/namespaces/{namespace}/loadforecasts/{name}/explanation",
        summary="The served number step by step; also where none is served",
        tags=["workloads"],
    )
    def explanation(namespace: Namespace, name: Name) -> Explanation:
        snapshot = _latest(store)
        return explain(snapshot, row_view(snapshot, _row(snapshot, namespace, name), now=clock.now()))


def _add_service(routes: APIRouter, store: SnapshotStore, clock: Clock) -> None:
    @routes.get("/health", summary="How fresh the numbers are", tags=["service"])
    def health() -> Health:
        return health_of(store.latest, now=clock.now())

    @routes.get("/problems/{kind}", summary="What a problem's type means", tags=["service"])
    def problem(kind: Annotated[str, Path(description="last part of `type`")]) -> ProblemKind:
        if kind not in KINDS:
            raise ProblemError("unknown-path", f"kinds of problems: {', '.join(sorted(KINDS))}")
        return KINDS[kind]


def _latest(store: SnapshotStore) -> Snapshot:
    if store.latest is None:
        text = "Histories are being read and fitted. Ask again soon."
        raise ProblemError("starting", text, headers={"retry-after": str(_SOON_SECONDS)})
    return store.latest


def _row(snapshot: Snapshot, namespace: str, name: str) -> int:
    row = snapshot.rows.get((namespace, name))
    if row is not None:
        return row
    key = f"{namespace}/{name}"
    if key in snapshot.rejected:
        raise ProblemError("unknown-workload", f"LoadForecast {key} was rejected: {snapshot.rejected[key]}")
    raise ProblemError("unknown-workload", f"There is no LoadForecast {key}. {KINDS['unknown-workload'].remedy}")


def _after(token: str) -> str:
    try:
        return after_of(token)
    except ValueError as error:
        raise ProblemError("invalid-request", f"{error}; leave it out to start from the first page") from error


def _problems_in_openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """FastAPI documents every model as application/json; problems have a media type of their own."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes, servers=[{"url": PREFIX}]
            )
            for path in schema["paths"].values():
                for operation in path.values():
                    for code in ("4XX", "5XX"):
                        content = operation["responses"][code]["content"]
                        content[MEDIA_TYPE] = content.pop("application/json")
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi
