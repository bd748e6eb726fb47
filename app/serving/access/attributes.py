"""What is asked for, as Kubernetes' authorizers see it: a pure function of method, path and query.

Paths below _LISTS, which show all workloads or those of one namespace, count as listing LoadForecasts.
Paths under /apis are read as kube-apiserver's RequestInfo reads them, so that RBAC means here what it means there.
Paths of the REST door under /api/v1 count as reading LoadForecasts, so that whoever may see a LoadForecast may see its
forecast. Everything else is a non-resource path.
"""

import json
from dataclasses import dataclass
from urllib.parse import parse_qs

from app.workloads.spec import GROUP as FORESCALE_GROUP
from app.workloads.spec import PLURAL
from app.workloads.spec import VERSION as FORESCALE_VERSION

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_COLLECTION_VERBS = {"delete": "deletecollection"}
_LISTS = ("prometheus", "json-datasource")
_TRUE = ("true", "1", "t", "T", "TRUE", "True")


@dataclass(frozen=True)
class Attributes:
    """One access. A resource if `resource` is set, else a non-resource path."""

    verb: str
    path: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def review(self) -> dict[str, dict[str, str]]:
        """The part of a SubjectAccessReview's spec that says what is accessed."""
        if not self.resource:
            return {"nonResourceAttributes": {"path": self.path, "verb": self.verb}}
        named = {
            "namespace": self.namespace,
            "verb": self.verb,
            "group": self.group,
            "version": self.version,
            "resource": self.resource,
            "subresource": self.subresource,
            "name": self.name,
        }
        return {"resourceAttributes": {key: value for key, value in named.items() if value}}

    def forbidden(self, user: str) -> str:
        """The text of a 403, in kube-apiserver's words, which tools and people search for."""
        who = f"User {_quoted(user)} cannot {self.verb}"
        if not self.resource:
            return f"forbidden: {who} path {_quoted(self.path)}"
        qualified = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f"{qualified} {_quoted(self.name)}" if self.name else qualified
        full = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = f"in the namespace {_quoted(self.namespace)}" if self.namespace else "at the cluster scope"
        return f"{named} is forbidden: {who} resource {_quoted(full)} in API group {_quoted(self.group)} {where}"


def attributes_of(method: str, path: str, query: bytes = b"") -> Attributes:
    """The access that a request means. `path` is decoded, as the doors see it."""
    parts = path.strip("/").split("/")
    if parts[0] == "apis" and len(parts) >= 4:
        return _kubernetes(method, parts[1], parts[2], parts[3:], query)
    if parts[:2] == ["api", "v1"]:
        rest = _rest(method, parts[2:], query)
        if rest is not None:
            return rest
    if parts[0] in _LISTS:
        return _loadforecasts("list", namespace=parts[2] if parts[1:2] == ["namespaces"] and len(parts) > 2 else "")
    return Attributes(method.lower(), path=path)


def _kubernetes(method: str, group: str, version: str, parts: list[str], query: bytes) -> Attributes:
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    resource, name, subresource = [*parts, "", ""][:3]
    verb = _VERBS.get(method, "")
    if not name:
        verb = _COLLECTION_VERBS.get(verb, verb)
        if verb == "get":
            verb = "watch" if _watches(query) else "list"
    return Attributes(
        verb,
        group=group,
        version=version,
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
    )


def _watches(query: bytes) -> bool:
    """Whether `watch` is set; the fast way out is the usual one."""
    return b"watch" in query and parse_qs(query.decode("latin-1")).get("watch", [""])[0] in _TRUE


def _rest(method: str, parts: list[str], query: bytes) -> Attributes | None:
    verb = _VERBS.get(method, "")
    if parts == ["workloads"]:
        named = parse_qs(query.decode("latin-1")).get("namespace", [])
        namespace = named[0] if len(named) == 1 else ""  # of two the door might take the other one
        return _loadforecasts("list" if verb == "get" else verb, namespace=namespace)
    if parts[:1] != ["namespaces"] or len(parts) < 2:
        return None
    namespace, kind, name, part = [*parts[1:], "", "", "", ""][:4]
    if part == "what-if" and verb == "create":
        verb = "get"  # asks about a LoadForecast, makes none
    if kind != PLURAL:
        return _loadforecasts(verb, namespace=namespace)
    return _loadforecasts("list" if verb == "get" and not name else verb, namespace=namespace, name=name)


def _loadforecasts(verb: str, *, namespace: str = "", name: str = "") -> Attributes:
    return Attributes(
        verb, group=FORESCALE_GROUP, version=FORESCALE_VERSION, resource=PLURAL, namespace=namespace, name=name
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
