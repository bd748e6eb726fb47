"""Errors of REST v1 as problem details (RFC 9457): one table of kinds, each with an address that explains it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
PREFIX = "/api/v1"


class ProblemKind(BaseModel):
    """What a problem's `type` leads to."""

    type: str
    title: str
    status: int
    remedy: str = Field(description="what the caller can do")


def _kind(name: str, status: int, title: str, remedy: str) -> ProblemKind:
    return ProblemKind(type=f"{PREFIX}/problems/{name}", title=title, status=status, remedy=remedy)


KINDS: Mapping[str, ProblemKind] = {
    "invalid-request": _kind("invalid-request", 400, "A parameter cannot be used", "Correct the parameters named."),
    "unknown-workload": _kind(
        "unknown-workload", 404, "No such LoadForecast", f"GET {PREFIX}/workloads lists those there are."
    ),
    "unknown-path": _kind("unknown-path", 404, "No such resource", f"GET {PREFIX}/openapi.json lists all paths."),
    "wrong-method": _kind("wrong-method", 405, "Not that way", "GET reads, POST asks a what-if."),
    "unknown-inquiry": _kind(
        "unknown-inquiry", 404, "No such question", "Answers are kept for an hour; ask the question again."
    ),
    "too-large": _kind("too-large", 413, "The upload is too large", "Send fewer minutes: 8 MB is the limit."),
    "not-answerable": _kind("not-answerable", 422, "The question has no answer", "Change what the detail names."),
    "busy": _kind("busy", 429, "Too many questions are waiting", "Ask again after Retry-After seconds."),
    "starting": _kind("starting", 503, "The first forecast is not there yet", "Ask again after Retry-After seconds."),
    "defect": _kind("defect", 500, "A defect of this service", "The service's log has the details."),
}


class FieldProblem(BaseModel):
    """One parameter that cannot be used."""

    parameter: str
    text: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = Field(description="path that was asked for")
    parameters: list[FieldProblem] = Field(default=[], description="with invalid-request")


@dataclass(eq=False)  # not frozen: frameworks write the __traceback__ of what they caught
class ProblemError(Exception):
    """Raised by a route; `kind` is a key of KINDS, `detail` says what to do about this case."""

    kind: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)


def install(app: FastAPI) -> None:
    """Every error that leaves `app` is a problem, unknown paths and methods included."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_defect)


def _answer(
    request: Request,
    kind: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    parameters: list[FieldProblem] | None = None,
) -> JSONResponse:
    known = KINDS[kind]
    problem = Problem(
        type=known.type,
        title=known.title,
        status=known.status,
        detail=detail,
        instance=request.url.path,
        parameters=parameters or [],
    )
    body = problem.model_dump(exclude_defaults=True)
    return JSONResponse(body, status_code=known.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return _answer(request, error.kind, error.detail, headers=error.headers)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    parameters = [FieldProblem(parameter=str(item["loc"][-1]), text=item["msg"]) for item in error.errors()]
    detail = "; ".join(f"{one.parameter}: {one.text}" for one in parameters)
    return _answer(request, "invalid-request", detail, parameters=parameters)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = "wrong-method" if error.status_code == 405 else "unknown-path"
    return _answer(request, kind, KINDS[kind].remedy, headers=error.headers)


async def _on_defect(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(request, "defect", KINDS["defect"].remedy)
