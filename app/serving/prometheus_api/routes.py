"""The endpoints, below /prometheus for all workloads and below /prometheus/namespaces/NAMESPACE for those of one.

Paths that have no meaning here (rules, alerts, exemplars) are there and empty, because clients ask for them.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from app import __version__
from app.clock import Clock
from app.serving.lines import METRICS
from app.serving.prometheus_api.answers import QueryError, failure, number, success
from app.serving.prometheus_api.evaluation import Scene, grid, instant, label_sets, matrix, over
from app.serving.prometheus_api.expressions import Selector, parse, selector
from app.serving.prometheus_api.parameters import Parameters, parameters
from app.snapshot import SnapshotStore

PREFIX = "/prometheus"

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Answerer = Callable[[Scene, Parameters], Response]


def router(store: SnapshotStore, clock: Clock) -> APIRouter:
    """All routes. The work is done in threads: a month of a thousand workloads takes a while."""
    routes = APIRouter(include_in_schema=False)

    def answering(answer: Answerer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                asked = await parameters(request)
                if store.latest is None:
                    raise QueryError("unavailable", "the first forecast is not there yet; ask again soon")
                scene = Scene(store.latest, request.path_params.get("namespace"), clock.now())
                return await asyncio.to_thread(answer, scene, asked)
            except QueryError as error:
                return failure(error)

        return endpoint

    async def label_values(request: Request) -> Response:
        label = request.path_params["label"]
        return await answering(lambda scene, asked: _label_values(scene, asked, label))(request)

    async def here() -> Response:
        return PlainTextResponse("Forecasts as a Prometheus: point a Prometheus datasource here.\n")

    posted: Sequence[tuple[str, Answerer]] = (
        ("query", _query),
        ("query_range", _query_range),
        ("query_exemplars", lambda scene, asked: success([])),
        ("labels", _labels),
        ("series", _series),
    )
    read: Sequence[tuple[str, Answerer]] = (
        ("metadata", _metadata),
        ("rules", lambda scene, asked: success({"groups": []})),
        ("alerts", lambda scene, asked: success({"alerts": []})),
        ("status/buildinfo", lambda scene, asked: success(_BUILD)),
    )
    for base in (PREFIX, PREFIX + "/namespaces/{namespace}"):
        routes.add_api_route(base, here)
        routes.add_api_route(base + "/", here)
        routes.add_api_route(base + "/-/healthy", here)
        for path, answer in posted:
            routes.add_api_route(f"{base}/api/v1/{path}", answering(answer), methods=["GET", "POST"])
        for path, answer in read:
            routes.add_api_route(f"{base}/api/v1/{path}", answering(answer), methods=["GET"])
        routes.add_api_route(base + "/api/v1/label/{label}/values", label_values, methods=["GET"])
    return routes


_BUILD = {"version": __version__, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": ""}


def _query(scene: Scene, asked: Parameters) -> Response:
    found, at_s = parse(asked.text("query")), asked.time("time", scene.now)
    if isinstance(found, float):
        return success({"resultType": "scalar", "result": [at_s, number(found)]})
    if found.range_seconds is not None:
        return success({"resultType": "matrix", "result": matrix(scene, found, at_s=at_s)})
    return success({"resultType": "vector", "result": instant(scene, found, at_s=at_s)})


def _query_range(scene: Scene, asked: Parameters) -> Response:
    found = parse(asked.text("query"))
    times_s = grid(asked.time("start"), asked.time("end"), asked.duration("step"))
    if isinstance(found, float):
        values = [[time_s, number(found)] for time_s in times_s.tolist()]
        return success({"resultType": "matrix", "result": [{"metric": {}, "values": values}]})
    if found.range_seconds is not None:
        text = 'invalid parameter "query": a range vector cannot be asked for over a range; leave out its [..]'
        raise QueryError("bad_data", text)
    return success({"resultType": "matrix", "result": over(scene, found, times_s)})


def _selectors(asked: Parameters) -> list[Selector]:
    return [selector(text) for text in asked.all("match[]")]


def _series(scene: Scene, asked: Parameters) -> Response:
    if not asked.all("match[]"):
        raise QueryError("bad_data", "no match[] parameter provided")
    return _limited(label_sets(scene, _selectors(asked)), asked)


def _labels(scene: Scene, asked: Parameters) -> Response:
    return _limited(sorted({name for one in label_sets(scene, _selectors(asked)) for name in one}), asked)


def _label_values(scene: Scene, asked: Parameters, label: str) -> Response:
    if _LABEL.fullmatch(label) is None:
        raise QueryError("bad_data", f"invalid label name: {label!r}")
    found = {one[label] for one in label_sets(scene, _selectors(asked)) if label in one}
    return _limited(sorted(found), asked)


def _limited(found: Sequence[object], asked: Parameters) -> Response:
    """At most `limit` of them; 0 or none given: all."""
    given = asked.all("limit")
    if given and not given[0].isdecimal():
        raise QueryError("bad_data", f'invalid parameter "limit": {given[0]!r} is not a whole number')
    most = int(given[0]) if given else 0
    if not most or len(found) <= most:
        return success(found)
    return success(found[:most], warnings=("results truncated due to limit",))


def _metadata(scene: Scene, asked: Parameters) -> Response:
    wanted = asked.all("metric")
    return success(
        {
            name: [{"type": one.kind, "help": one.help, "unit": ""}]
            for name, one in METRICS.items()
            if not wanted or name in wanted
        }
    )
