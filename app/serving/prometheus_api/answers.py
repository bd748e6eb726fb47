"""How the Prometheus HTTP API answers: the envelope, values as text, errors with their type.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from fastapi import Response

_STATUS = {"bad_data": 400, "execution": 422, "unavailable": 503, "not_found": 404}


@dataclass(eq=False)  # not frozen: frameworks write the __traceback__ of what they caught
class QueryError(Exception):
    """kind: Prometheus' errorType. text: what to change."""

    kind: str
    text: str


def success(data: object, *, warnings: tuple[str, ...] = ()) -> Response:
    """200 with its data."""
    body: dict[str, object] = {"status": "success", "data": data}
    if warnings:
        body["warnings"] = list(warnings)
    return Response(orjson.dumps(body), media_type="application/json")


def failure(error: QueryError) -> Response:
    """The status of its type."""
    body = {"status": "error", "errorType": error.kind, "error": error.text}
    headers = {"retry-after": "5"} if error.kind == "unavailable" else {}
    return Response(orjson.dumps(body), _STATUS[error.kind], media_type="application/json", headers=headers)


def number(value: float) -> str:
    """A value as Prometheus writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def sample(labels: Mapping[str, str], time_s: float, value: float) -> dict[str, object]:
    """One element of a vector."""
    return {"metric": labels, "value": [time_s, number(value)]}
