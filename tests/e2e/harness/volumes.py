"""What a kubelet puts into a pod: environment from the downward API, and volumes as files."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

from tests.e2e.harness.sandbox import Sandbox


class Api(Protocol):
    """What is asked of the API server."""

    def get(self, path: str) -> dict[str, Any]:
        """GET; raises LookupError where there is no such object."""

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST."""


def environment(pod: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, str]:
    """A container's variables, `$(NAME)` expanded as Kubernetes does."""
    found: dict[str, str] = {}
    for one in container.get("env", ()):
        if "value" in one:
            found[one["name"]] = expand(one["value"], found)
        elif "valueFrom" in one:
            found[one["name"]] = _from(pod, container, one["valueFrom"])
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)` by the variable's value."""
    for name, value in variables.items():
        text = text.replace(f"$({name})", value)
    return text


def _from(pod: Mapping[str, Any], container: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    if "fieldRef" in source:
        return field_text(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return _resource(container, source["resourceFieldRef"]["resource"])
    raise NotImplementedError(f"environment from {list(source)}")


def _resource(container: Mapping[str, Any], name: str) -> str:
    """Limits in whole units of divisor 1: CPUs rounded up, bytes. Without a limit, what this node would say: 1 CPU."""
    kind, _, unit = name.partition(".")
    text = str(container.get("resources", {}).get(kind, {}).get(unit, ""))
    if unit == "cpu":
        cores = float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1) if text else 1
        return str(max(1, round(cores + 0.499)))
    factors = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    return str(int(text[:-2]) * factors[text[-2:]]) if text[-2:] in factors else text or str(2**30)


def field_text(pod: Mapping[str, Any], path: str) -> str:
    """One field of the downward API; labels and annotations as lines of key="value"."""
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = pod["metadata"].get(path.partition(".")[2], {})
        return "\n".join(f"{key}={json.dumps(value)}" for key, value in sorted(pairs.items()))
    node: Any = pod
    for part in path.split("."):
        node = node.get(part, "") if isinstance(node, Mapping) else ""
    return str(node)


def mount(api: Api, pod: Mapping[str, Any], sandbox: Sandbox) -> None:
    """All volumes of all containers, at the paths that the containers name; one file system serves the whole pod."""
    volumes = {one["name"]: one for one in pod["spec"].get("volumes", ())}
    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    for path, name in {(m["mountPath"], m["name"]) for c in containers for m in c.get("volumeMounts", ())}:
        sandbox.folder_for_all(path.rstrip("/"))
        for file, content in files(api, pod, volumes[name]).items():
            sandbox.write(f"{path.rstrip('/')}/{file}", content)


def files(api: Api, pod: Mapping[str, Any], volume: Mapping[str, Any]) -> dict[str, bytes]:
    """Name -> content of one volume; empty for an emptyDir, and where an optional object is missing."""
    namespace = pod["metadata"]["namespace"]
    if "configMap" in volume:
        return _object(api, namespace, "configmaps", volume["configMap"], volume["configMap"].get("name"))
    if "secret" in volume:
        return _object(api, namespace, "secrets", volume["secret"], volume["secret"].get("secretName"))
    if "downwardAPI" in volume:
        return {
            one["path"]: field_text(pod, one["fieldRef"]["fieldPath"]).encode()
            for one in volume["downwardAPI"]["items"]
        }
    found: dict[str, bytes] = {}
    for source in volume.get("projected", {}).get("sources", ()):
        if "serviceAccountToken" in source:
            found[source["serviceAccountToken"]["path"]] = _token(api, pod, source["serviceAccountToken"])
        elif "configMap" in source:
            found |= _object(api, namespace, "configmaps", source["configMap"], source["configMap"]["name"])
        elif "downwardAPI" in source:
            found |= files(api, pod, source)
    return found


def _object(api: Api, namespace: str, kind: str, source: Mapping[str, Any], name: str | None) -> dict[str, bytes]:
    try:
        found = api.get(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
    except LookupError:
        if source.get("optional"):
            return {}
        raise
    data = {key: text.encode() for key, text in found.get("data", {}).items()}
    if kind == "secrets":
        data = {key: base64.b64decode(text) for key, text in data.items()}
    items = source.get("items")
    return {one["path"]: data[one["key"]] for one in items} if items else data


def _token(api: Api, pod: Mapping[str, Any], source: Mapping[str, Any]) -> bytes:
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    spec: dict[str, Any] = {
        "boundObjectRef": bound,
        "expirationSeconds": max(600, source.get("expirationSeconds", 3600)),
    }
    if "audience" in source:
        spec["audiences"] = [source["audience"]]
    account = pod["spec"].get("serviceAccountName", "default")
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(api.post(path, body)["status"]["token"]).encode()
