"""The registry's HTTP API, v0.1 and its alias v0.

Names and versions are one path segment each, with the slash as %2F: routes are therefore matched on the path as it
was sent, before decoding.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from examples.mcp import telemetry
from examples.mcp.registry.access import ForbiddenError, Tokens, UnauthorizedError
from examples.mcp.registry.documents import (
    AllVersionsChanged,
    ListMetadata,
    OfficialMeta,
    ResponseMeta,
    ServerJson,
    ServerList,
    ServerResponse,
    Status,
    StatusChange,
)
from examples.mcp.registry.store import Filter, NotFoundError, RefusedError, ServerVersion, Store

STATUS_OF = {NotFoundError: 404, RefusedError: 400, UnauthorizedError: 401, ForbiddenError: 403}
Authorization = Annotated[str | None, Header()]
IncludeDeleted = Annotated[bool, Query(description="Also show deleted versions.")]


def create_app(store: Store, *, tokens: Tokens) -> ASGIApp:
    """The application; it closes the store when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    app = FastAPI(title="MCP registry", version="0.1", lifespan=lifespan, telemetry=telemetry.of_api())
    for error, status in STATUS_OF.items():
        app.add_exception_handler(error, _told(status))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(_health(store))
    for prefix in ("/v0.1", "/v0"):
        app.include_router(_reading(store), prefix=prefix, tags=["servers"])
        app.include_router(_writing(store, tokens), prefix=prefix, tags=["publish"])
    return EncodedPath(app)


class EncodedPath:
    """ASGI middleware: routing sees the path with its %2F, since a name holds a slash and is one segment."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope.get("raw_path"):
            scope = {**scope, "path": scope["raw_path"].decode("ascii", "replace").partition("?")[0]}
        await self._app(scope, receive, send)


def _shown(row: ServerVersion) -> ServerResponse:
    official = OfficialMeta(
        status=Status(row.status),
        status_changed_at=row.status_changed_at.replace(tzinfo=UTC),
        status_message=row.status_message,
        published_at=row.published_at.replace(tzinfo=UTC),
        updated_at=row.updated_at.replace(tzinfo=UTC),
        is_latest=row.is_latest,
    )
    return ServerResponse(server=row.document, meta=ResponseMeta(official=official))


def _reading(store: Store) -> APIRouter:
    router = APIRouter()

    @router.get("/servers", response_model_exclude_none=True)
    def list_servers(
        cursor: Annotated[str | None, Query(description="nextCursor of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 30,
        search: Annotated[str | None, Query(description="Part of name, title or description.")] = None,
        updated_since: Annotated[datetime | None, Query(description="RFC 3339; shows deleted versions too.")] = None,
        version: Annotated[str | None, Query(description="`latest` or one version.")] = None,
        include_deleted: IncludeDeleted = False,
    ) -> ServerList:
        """Versions in a stable order, the best matches of `search` first."""
        wanted = Filter(search, updated_since, version, include_deleted or updated_since is not None)
        page = store.page(wanted, cursor=cursor or None, limit=limit)
        metadata = ListMetadata(count=len(page.versions), next_cursor=page.next_cursor)
        return ServerList(servers=[_shown(one) for one in page.versions], metadata=metadata)

    @router.get("/servers/{name}/versions", response_model_exclude_none=True)
    def list_versions(name: str, include_deleted: IncludeDeleted = False) -> ServerList:
        """All versions of a server, newest first."""
        found = store.versions(unquote(name), include_deleted=include_deleted)
        return ServerList(servers=[_shown(one) for one in found], metadata=ListMetadata(count=len(found)))

    @router.get("/servers/{name}/versions/{version}", response_model_exclude_none=True)
    def get_version(name: str, version: str, include_deleted: IncludeDeleted = False) -> ServerResponse:
        """One version, or the `latest`."""
        return _shown(store.version(unquote(name), unquote(version), include_deleted=include_deleted))

    return router


def _writing(store: Store, tokens: Tokens) -> APIRouter:
    def enabled() -> None:
        if not tokens.patterns:
            raise HTTPException(501, "this registry is read-only: it was started without tokens")

    router = APIRouter(dependencies=[Depends(enabled)])

    @router.post("/publish", response_model_exclude_none=True)
    def publish(document: ServerJson, authorization: Authorization = None) -> ServerResponse:
        """Adds a version of a server."""
        tokens.check(authorization, name=document.name)
        return _shown(store.publish(document))

    @router.put("/servers/{name}/versions/{version}", response_model_exclude_none=True)
    def edit(name: str, version: str, document: ServerJson, authorization: Authorization = None) -> ServerResponse:
        """Corrects what a version says; its name and version stay."""
        tokens.check(authorization, name=unquote(name))
        return _shown(store.edit(unquote(name), unquote(version), document))

    @router.patch("/servers/{name}/versions/{version}/status", response_model_exclude_none=True)
    def change_status(
        name: str, version: str, change: StatusChange, authorization: Authorization = None
    ) -> ServerResponse:
        """Deprecates, deletes or restores a version."""
        tokens.check(authorization, name=unquote(name))
        return _shown(store.change_status(unquote(name), unquote(version), change)[0])

    @router.patch("/servers/{name}/status", response_model_exclude_none=True)
    def change_all(name: str, change: StatusChange, authorization: Authorization = None) -> AllVersionsChanged:
        """The same for all versions at once."""
        tokens.check(authorization, name=unquote(name))
        changed = [_shown(one) for one in store.change_status(unquote(name), None, change)]
        return AllVersionsChanged(updated_count=len(changed), servers=changed)

    return router


def _health(store: Store) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/livez")
    @router.get("/v0.1/health")
    @router.get("/v0/health")
    def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    def ready() -> JSONResponse:
        """The database answers too."""
        try:
            store.ping()
        except SQLAlchemyError as error:
            return JSONResponse({"error": f"database: {type(error).__name__}"}, status_code=503)
        return JSONResponse({"status": "ok"})

    return router


Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


def _told(status: int) -> Handler:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None

    async def handler(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=status, headers=headers)

    return handler


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """422 with each field that is wrong; values are not repeated."""
    assert isinstance(error, RequestValidationError)
    wrong: list[dict[str, Any]] = [
        {"field": ".".join(str(part) for part in one["loc"][1:]), "message": one["msg"]} for one in error.errors()
    ]
    text = "; ".join(f"{one['field']}: {one['message']}" for one in wrong)
    return JSONResponse({"error": text, "errors": wrong}, status_code=422)
