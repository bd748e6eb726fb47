"""REST v1 as an application of its own, so that all its errors are problem details and its OpenAPI page is whole.

Mounted at /api/v1. Routes are plain functions: the framework runs them in threads, so that a page of thousands of
workloads does not hold up the external metrics door.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path
from fastapi.openapi.utils import get_openapi
from starlette.middleware.gzip import GZipMiddleware

from app import __version__
from app.clock import Clock
from app.inquiries import Inquiries
from app.pricing.decisions import Decisions
from app.serving.rest.economy_routes import add_economy, add_prices
from app.serving.rest.examples import EXAMPLES
from app.serving.rest.inquiry_routes import add_explanation, add_what_ifs
from app.serving.rest.problems import KINDS, MEDIA_TYPE, PREFIX, Problem, ProblemError, ProblemKind, install
from app.serving.rest.reading import health_of
from app.serving.rest.schemas import Health
from app.serving.rest.workload_routes import add_collection, add_parts_and_drain, add_workload
from app.serving.traced import NOT_FASTAPIS
from app.snapshot import SnapshotStore

_COMPRESSED_FROM_BYTES = 2_000


def rest_app(store: SnapshotStore, clock: Clock, inquiries: Inquiries, decisions: Decisions | None = None) -> FastAPI:
    """The application to mount at /api/v1. decisions: of the gRPC expander, where there is one."""
    app = FastAPI(
        telemetry=NOT_FASTAPIS,
        title="Forescale",
        version=__version__,
        summary="Forecast load of workloads, and the number served to the Kubernetes HPA.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    install(app)
    app.add_middleware(GZipMiddleware, minimum_size=_COMPRESSED_FROM_BYTES, compresslevel=4)
    app.include_router(router(store, clock, inquiries, decisions or Decisions()))
    app.openapi = _document(app)  # type: ignore[method-assign]
    return app


def router(store: SnapshotStore, clock: Clock, inquiries: Inquiries, decisions: Decisions) -> APIRouter:
    """The routes alone, without /api/v1 in front. Reads the store's latest snapshot, once per request."""
    errors: dict[int | str, dict[str, Any]] = {
        code: {"model": Problem, "description": "Problem details (RFC 9457)"} for code in ("4XX", "5XX")
    }
    routes = APIRouter(responses=errors)
    add_collection(routes, store, clock)
    add_workload(routes, store, clock)
    add_parts_and_drain(routes, store, clock)
    add_explanation(routes, store, clock, inquiries)
    add_what_ifs(routes, store, clock, inquiries)
    add_economy(routes, store, clock)
    add_prices(routes, store, clock, decisions)
    _add_service(routes, store, clock)
    return routes


def _add_service(routes: APIRouter, store: SnapshotStore, clock: Clock) -> None:
    @routes.get("/health", summary="How fresh the numbers are", tags=["service"])
    def health() -> Health:
        return health_of(store.latest, now=clock.now())

    @routes.get("/problems/{kind}", summary="What a problem's type means", tags=["service"])
    def problem(kind: Annotated[str, Path(description="last part of `type`")]) -> ProblemKind:
        if kind not in KINDS:
            raise ProblemError("unknown-path", f"kinds of problems: {', '.join(sorted(KINDS))}")
        return KINDS[kind]


def _document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """FastAPI documents every model as application/json, without an answer to look at; problems have a media type of
    their own, and each kind of answer an example."""

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
            for name, example in EXAMPLES.items():
                schema["components"]["schemas"][name]["examples"] = [example]
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi
