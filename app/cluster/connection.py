"""The connection to kube-apiserver: credentials, limits, and one thin way to call that names its permission.

The generated classes of the client parse every object into models (tens of kilobytes per pod); here JSON stays JSON.
"""

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import orjson
import urllib3
from kubernetes import client, config

from app import __version__
from app.cluster.permissions import Permission
from app.errors import ClusterError
from app.settings import Settings
from app.telemetry import shortened

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 15.0
_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML too
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
FIELD_MANAGER = "forescale"


class ApiFailure(ClusterError):
    """An answer that is not 2xx, or none at all (status 0). `status` decides what the caller does next."""

    def __init__(self, text: str, *, status: int) -> None:
        super().__init__(text)
        self.status = status


def api_client(settings: Settings) -> client.ApiClient:
    """As the pod's ServiceAccount (token re-read every minute), or by kubeconfig. Raises ClusterError."""
    return connect(settings.kubeconfig)


def connect(kubeconfig: Path | None) -> client.ApiClient:
    """See api_client; for commands that run without the service's settings."""
    configuration = client.Configuration()
    configuration.keep_alive = True  # a watch whose peer vanished silently ends within minutes
    configuration.retries = _retries()
    try:
        if kubeconfig is not None:
            config.load_kube_config(str(kubeconfig), client_configuration=configuration, persist_config=False)  # type: ignore[no-untyped-call]
        else:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        origin = f"kubeconfig {kubeconfig}" if kubeconfig else "a ServiceAccount; outside of a pod name a kubeconfig"
        raise ClusterError(f"no credentials for kube-apiserver from {origin}: {error}") from error
    api = client.ApiClient(configuration)
    api.user_agent = f"forescale/{__version__}"
    return api


def _retries() -> urllib3.Retry:
    """One more try where a kept-alive connection was closed under us; everything else is the caller's to repeat."""
    return urllib3.Retry(total=1, connect=1, read=1, redirect=0, status=0, other=0, raise_on_status=False)


class KubernetesApi:
    """Calls that are named in permissions.py, in JSON. Thread-safe; every call has a time limit. Raises ApiFailure."""

    def __init__(self, api: client.ApiClient) -> None:
        self._client = api

    def call(
        self,
        permission: Permission,
        *,
        namespace: str | None = None,
        name: str | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        metadata_only: bool = False,
    ) -> dict[str, Any]:
        """Makes the call and returns the object. A patch is a JSON merge patch. metadata_only: of a list's items."""
        path = permission.path(namespace=namespace, name=permission.name or name)
        accept = _METADATA if metadata_only else _JSON
        response = self._exchange(permission.verb, path, body, query, read_seconds=_READ_SECONDS, accept=accept)
        try:
            raw = response.data
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiFailure(f"{permission.verb} {path}: {shortened(str(error))}", status=0) from error
        return _parsed(raw, f"{permission.verb} {path}")

    def apply(self, permission: Permission, body: Mapping[str, Any], *, namespace: str | None = None) -> dict[str, Any]:
        """Server-side apply of the fields in `body`, as their owner: creates the object where there is none (for which
        the API server wants the right to create besides), leaves the fields of others, takes ours back."""
        path = permission.path(namespace=namespace, name=permission.name or body["metadata"]["name"])
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        response = self._exchange("patch", path, body, query, read_seconds=_READ_SECONDS, patch=_APPLY_PATCH)
        return _parsed(response.data, f"apply {path}")

    def stream(
        self, permission: Permission, *, namespace: str | None, query: Mapping[str, str], read_seconds: float
    ) -> "EventStream":
        """Opens a watch; the stream ends when the server's timeoutSeconds are over."""
        path = permission.path(namespace=namespace)
        return EventStream(self._send(permission, path, None, {**query, "watch": "true"}, read_seconds=read_seconds))

    def server_time(self) -> float:
        """What the API server's clock shows: Unix seconds, whole ones. Raises ApiFailure."""
        response = self._exchange("get", "/version", None, None, read_seconds=_READ_SECONDS)
        try:
            return parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError) as error:
            raise ApiFailure("get /version: the answer carries no Date", status=0) from error

    def server_version(self) -> str:
        """Such as v1.37.2. Raises ApiFailure."""
        response = self._exchange("get", "/version", None, None, read_seconds=_READ_SECONDS)
        return str(_parsed(response.data, "get /version").get("gitVersion"))

    def _send(
        self,
        permission: Permission,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        *,
        read_seconds: float,
    ) -> urllib3.BaseHTTPResponse:
        return self._exchange(permission.verb, path, body, query, read_seconds=read_seconds)

    def _exchange(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        *,
        read_seconds: float,
        patch: str = _MERGE_PATCH,
        accept: str = _JSON,
    ) -> urllib3.BaseHTTPResponse:
        what = f"{verb} {path}"
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = patch if verb == "patch" else "application/json"
        request = self._client.param_serialize(
            _METHODS[verb],
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(*request, _request_timeout=(_CONNECT_SECONDS, read_seconds))
        except (client.ApiException, urllib3.exceptions.HTTPError, config.ConfigException, OSError) as error:
            raise ApiFailure(f"{what}: {shortened(str(error))}", status=0) from error
        if not 200 <= answer.status <= 299:
            text = _message(answer.read())  # type: ignore[no-untyped-call]
            raise ApiFailure(f"{what}: {answer.status} {text}", status=answer.status)
        response: urllib3.BaseHTTPResponse = answer.response
        return response


class EventStream:
    """The events of one watch. Its reader closes it; `interrupt` may be called from another thread."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yields {"type", "object"}; raises ApiFailure when the stream breaks or the server sends an ERROR event."""
        pending = b""
        try:
            for chunk in self._response.stream(65_536):
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    if line:
                        yield _checked(_parsed(line, "watch"))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise ApiFailure(f"watch broke off: {shortened(str(error))}", status=0) from error

    def close(self) -> None:
        """Gives the connection up. Not while another thread reads: that is what `interrupt` is for."""
        self._response.close()

    def interrupt(self) -> None:
        """Wakes up a reader that is blocked: its iteration ends."""
        try:
            self._response.shutdown()
        except (ValueError, RuntimeError, OSError):
            self._response.close()


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("type") != "ERROR":
        return event
    status = event.get("object") or {}
    raise ApiFailure(f"watch: {shortened(str(status.get('message')))}", status=int(status.get("code") or 0))


def _parsed(raw: bytes, what: str) -> dict[str, Any]:
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiFailure(f"{what}: not JSON: {shortened(repr(raw[:200]))}", status=0) from error
    if not isinstance(answer, dict):
        raise ApiFailure(f"{what}: not an object: {shortened(repr(raw[:200]))}", status=0)
    return answer


def _message(raw: bytes | None) -> str:
    """The message of a Status object; of anything else the beginning, it may hold secrets and whole pages of HTML."""
    try:
        return shortened(str(orjson.loads(raw or b"")["message"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return shortened((raw or b"").decode(errors="replace"), 120)
