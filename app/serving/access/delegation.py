"""The Kubernetes API behind the access control: two reviews and one ConfigMap, called in threads.

Needs ClusterRole system:auth-delegator and, in kube-system, Role extension-apiserver-authentication-reader.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.wait import WaitBaseT

from app.cluster.connection import ApiFailure, EventStream, KubernetesApi
from app.cluster.permissions import Permission
from app.serving.access.identity import User, sorted_extra
from app.serving.access.reviews import AuthenticationConfig, ReviewFailed

_log = logging.getLogger(__name__)
T = TypeVar("T")

CONFIG_NAMESPACE = "kube-system"
CONFIG_NAME = "extension-apiserver-authentication"
REVIEW_TOKEN = Permission("create", "authentication.k8s.io", "v1", "tokenreviews", "cluster")
REVIEW_ACCESS = Permission("create", "authorization.k8s.io", "v1", "subjectaccessreviews", "cluster")
GET_CONFIG = Permission("get", "", "v1", "configmaps", "all", CONFIG_NAME)
WATCH_CONFIG = Permission("watch", "", "v1", "configmaps", "all", CONFIG_NAME)
DELEGATED = frozenset({REVIEW_TOKEN, REVIEW_ACCESS, GET_CONFIG, WATCH_CONFIG})
"""What these two roles are needed for."""

_ATTEMPTS = 5
_READ_MARGIN_SECONDS = 10.0
_THREADS = 8


class KubernetesReviews:
    """AccessReviews over kube-apiserver. `wait` is the pause between two attempts."""

    def __init__(self, api: KubernetesApi, *, wait: WaitBaseT | None = None) -> None:
        self._api = api
        self._wait = wait or wait_random_exponential(multiplier=0.2, max=2)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="access-review")
        self._stream: EventStream | None = None
        self._closed = False

    async def authentication_config(self) -> AuthenticationConfig:
        """See AccessReviews."""
        found = await self._asked(lambda: self._api.call(GET_CONFIG, namespace=CONFIG_NAMESPACE))
        return parsed_config(found)

    async def configuration_changed(self, version: str, *, seconds: float) -> None:
        """See AccessReviews. A watch that ends or breaks also counts as a change: reading again does no harm."""
        await self._in_thread(lambda: self._watch_once(version, seconds))

    async def review_token(self, token: str) -> User | None:
        """See AccessReviews."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status = (await self._asked(lambda: self._api.call(REVIEW_TOKEN, body=body))).get("status") or {}
        return _user(status.get("user") or {}) if status.get("authenticated") is True else None

    async def review_access(self, spec: Mapping[str, object]) -> bool:
        """See AccessReviews."""
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status = (await self._asked(lambda: self._api.call(REVIEW_ACCESS, body=body))).get("status") or {}
        if status.get("evaluationError"):
            _log.debug("an access review had trouble: %s", status["evaluationError"])
        return status.get("allowed") is True

    def close(self) -> None:
        """Ends the watch and the threads."""
        self._closed = True
        if self._stream is not None:
            self._stream.interrupt()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _asked(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer after at most five attempts. Raises ReviewFailed."""
        attempts = AsyncRetrying(
            stop=stop_after_attempt(_ATTEMPTS), wait=self._wait, retry=retry_if_exception(_passing), reraise=True
        )
        try:
            return await attempts(self._in_thread, call)
        except ApiFailure as failure:
            raise ReviewFailed(str(failure)) from failure

    async def _in_thread(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except RuntimeError as error:  # the threads are shut down
            raise ReviewFailed("the service is stopping") from error

    def _watch_once(self, version: str, seconds: float) -> None:
        query = {
            "fieldSelector": f"metadata.name={CONFIG_NAME}",
            "resourceVersion": version,
            "timeoutSeconds": str(int(seconds)),
        }
        try:
            stream = self._api.stream(
                WATCH_CONFIG, namespace=CONFIG_NAMESPACE, query=query, read_seconds=seconds + _READ_MARGIN_SECONDS
            )
            with closing(stream):
                self._stream = stream
                if not self._closed:
                    next(iter(stream), None)
        except ApiFailure as failure:
            raise ReviewFailed(str(failure)) from failure


def parsed_config(manifest: Mapping[str, Any]) -> AuthenticationConfig:
    """The ConfigMap's data; lists are JSON in a string. Raises ReviewFailed if they are not."""
    data = manifest.get("data") or {}
    return AuthenticationConfig(
        client_ca=data.get("client-ca-file", ""),
        requestheader_ca=data.get("requestheader-client-ca-file", ""),
        allowed_names=_listed(data, "requestheader-allowed-names"),
        username_headers=_listed(data, "requestheader-username-headers"),
        uid_headers=_listed(data, "requestheader-uid-headers"),
        group_headers=_listed(data, "requestheader-group-headers"),
        extra_prefixes=_listed(data, "requestheader-extra-headers-prefix"),
        version=(manifest.get("metadata") or {}).get("resourceVersion", ""),
    )


def _listed(data: Mapping[str, str], key: str) -> tuple[str, ...]:
    try:
        values = json.loads(data.get(key) or "[]")
    except json.JSONDecodeError as error:
        raise ReviewFailed(f"{CONFIG_NAME}: {key} is not a JSON list: {error}") from error
    if not isinstance(values, list):
        raise ReviewFailed(f"{CONFIG_NAME}: {key} is not a JSON list")
    return tuple(str(value) for value in values)


def _user(found: Mapping[str, Any]) -> User | None:
    name = found.get("username")
    if not name:
        return None
    groups = tuple(found.get("groups") or ())
    return User(name, uid=found.get("uid") or "", groups=groups, extra=sorted_extra(found.get("extra") or {}))


def _passing(error: BaseException) -> bool:
    """Whether another attempt may help: no answer, overload, trouble inside; not a refusal of our own rights."""
    return isinstance(error, ApiFailure) and (error.status in (0, 408, 409, 429) or error.status >= 500)
