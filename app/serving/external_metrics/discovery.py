"""What the aggregator and kubectl ask before anything else. Fixed documents, made once.

The list of resources is one constant entry: clients complain about an empty one, and thousands of names would slow
every kubectl, while the HPA never looks at it.
"""

import hashlib
from collections.abc import Mapping

import orjson

from app.serving.external_metrics.naming import GROUP, GROUP_VERSION, VERSION
from app.serving.status import Answer, Headers

AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
OPENAPI_PATH = f"/openapi/v3/apis/{GROUP_VERSION}"
_RESOURCE = "externalmetrics"
_KIND = "ExternalMetricValueList"
_GROUP_VERSION = {"groupVersion": GROUP_VERSION, "version": VERSION}
_GROUP = {"name": GROUP, "versions": [_GROUP_VERSION], "preferredVersion": _GROUP_VERSION}

_RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": GROUP_VERSION,
    "resources": [{"name": _RESOURCE, "singularName": "", "namespaced": True, "kind": _KIND, "verbs": ["get"]}],
}
_AGGREGATED_RESOURCE = {
    "resource": _RESOURCE,
    "responseKind": {"group": "", "version": "", "kind": _KIND},
    "scope": "Namespaced",
    "singularResource": "",
    "verbs": ["get"],
}
_AGGREGATED = {
    "kind": "APIGroupDiscoveryList",
    "apiVersion": "apidiscovery.k8s.io/v2",
    "metadata": {},
    "items": [
        {
            "metadata": {"name": GROUP},
            "versions": [{"version": VERSION, "freshness": "Current", "resources": [_AGGREGATED_RESOURCE]}],
        }
    ],
}
_METRIC_PATH = f"/apis/{GROUP_VERSION}/namespaces/{{namespace}}/{{metric}}"


def _text(where: str, name: str, *, required: bool) -> dict[str, object]:
    return {"name": name, "in": where, "required": required, "schema": {"type": "string"}}


def _openapi() -> dict[str, object]:
    value = {
        "type": "object",
        "required": ["metricName", "metricLabels", "timestamp", "value"],
        "properties": {
            "metricName": {"type": "string"},
            "metricLabels": {"type": "object", "additionalProperties": {"type": "string"}},
            "timestamp": {"type": "string", "format": "date-time"},
            "window": {"type": "integer", "format": "int64"},
            "value": {"type": "string"},
        },
    }
    listed = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/ExternalMetricValue"}},
        },
    }
    reference = {"schema": {"$ref": f"#/components/schemas/{_KIND}"}}
    operation = {
        "operationId": "listExternalMetricValues",
        "parameters": [
            _text("path", "namespace", required=True),
            _text("path", "metric", required=True),
            _text("query", "labelSelector", required=False),
        ],
        "responses": {"200": {"description": "OK", "content": {"application/json": reference}}},
    }
    return {
        "openapi": "3.0.0",
        "info": {"title": GROUP, "version": VERSION},
        "paths": {_METRIC_PATH: {"get": operation}},
        "components": {"schemas": {"ExternalMetricValue": value, _KIND: listed}},
    }


def _document(content: Mapping[str, object], *, media_type: str = "application/json") -> Answer:
    body = orjson.dumps(content)
    return Answer(200, body, (*_tagged(body), (b"content-type", media_type.encode()), (b"vary", b"Accept")))


def _tagged(body: bytes) -> Headers:
    tag = hashlib.sha256(body).hexdigest()
    return ((b"etag", f'"{tag}"'.encode()), (b"cache-control", b"no-cache, private"))


class Discovery:
    """The documents by path. `version` is what /version says."""

    def __init__(self, *, version: str) -> None:
        openapi = _openapi()
        digest = hashlib.sha256(orjson.dumps(openapi)).hexdigest()[:32]
        index = {"paths": {f"apis/{GROUP_VERSION}": {"serverRelativeURL": f"{OPENAPI_PATH}?hash={digest}"}}}
        major, minor, _ = [*version.split("."), "", "", ""][:3]
        self._groups = _document({"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]})
        self._aggregated = _document(_AGGREGATED, media_type=AGGREGATED_TYPE)
        self._documents = {
            f"/apis/{GROUP}": _document({"kind": "APIGroup", "apiVersion": "v1", **_GROUP}),
            f"/apis/{GROUP_VERSION}": _document(_RESOURCES),
            "/openapi/v3": _document(index),
            OPENAPI_PATH: _document(openapi),
            "/version": _document({"major": major, "minor": minor, "gitVersion": f"v{version}"}),
        }

    def find(self, path: str, *, accept: str) -> Answer | None:
        """The document at `path`; the aggregated form of /apis for those who ask for it."""
        plain = path.rstrip("/")
        if plain == "/apis":
            return self._aggregated if _asks_aggregated(accept) else self._groups
        return self._documents.get(plain)


def _asks_aggregated(accept: str) -> bool:
    """Whether the v2 form is among what is accepted. Its parameters come in any order."""
    wanted = {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"}
    for media_range in accept.split(","):
        media_type, *parameters = (part.strip() for part in media_range.split(";"))
        if media_type == "application/json" and wanted <= set(parameters):
            return True
    return False


def unchanged(answer: Answer, if_none_match: str) -> bool:
    """Whether the caller already holds this very document (RFC 9110, weak comparison)."""
    tag = dict(answer.headers).get(b"etag", b"").decode()
    known = {held.strip().removeprefix("W/") for held in if_none_match.split(",")}
    return bool(tag) and (tag in known or if_none_match.strip() == "*")


def not_modified(answer: Answer) -> Answer:
    """304 with the headers a cache may want, without the body."""
    kept = tuple(header for header in answer.headers if header[0] in (b"etag", b"cache-control", b"vary"))
    return Answer(304, b"", kept)
