"""A local copy of a collection: list in pages, then watch; relist when the version is gone, back off on trouble.

The client's own informer keeps whole objects (more than 1 GB for 10,000 pods), asks for no bookmarks and reconnects
without a pause while the API is down; this one keeps what its keeper makes of an object and waits longer each time.
"""

import logging
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Protocol

from app.cluster.connection import ApiFailure, EventStream, KubernetesApi
from app.cluster.permissions import Permission

log = logging.getLogger(__name__)

_PAGE = 500
_WATCH_SECONDS = (240, 480)  # spread, so that the watches of many replicas do not end together
_READ_MARGIN_SECONDS = 15
_BACK_OFF_LIMIT_SECONDS = 60.0
_GONE = 410
_REMEDIES = {
    403: "; the ServiceAccount lacks this right, see k8s/base/clusterrole-forescale.yaml",
    404: "; is the CustomResourceDefinition applied? see k8s/base/crd-loadforecasts.yaml",
}


class Keeper(Protocol):
    """What becomes of the objects. Called from the reflector's thread only, with objects as the API sends them."""

    def put(self, item: Mapping[str, Any]) -> None:
        """An object that is new or changed; the same one may come again."""

    def remove(self, item: Mapping[str, Any]) -> None:
        """An object that is gone, in its last state."""

    def keep_only(self, uids: set[str]) -> None:
        """After a list: everything else went unseen."""


def _hand(take: Callable[[Mapping[str, Any]], None], item: Mapping[str, Any]) -> None:
    """Hands an object to a keeper. One that nobody foresaw keeps neither the others nor other keepers waiting: it is
    named with each of its changes, and what was known of it stays."""
    try:
        take(item)
    except Exception:
        metadata = item["metadata"]
        name = f"{metadata.get('namespace', '')}/{metadata.get('name')}"
        log.exception("%s of %s failed, what was known of it stays", take.__qualname__, name)


class Every:
    """Several keepers of one watch."""

    def __init__(self, *keepers: Keeper) -> None:
        self._keepers = keepers

    def put(self, item: Mapping[str, Any]) -> None:
        """To each of them."""
        for keeper in self._keepers:
            _hand(keeper.put, item)

    def remove(self, item: Mapping[str, Any]) -> None:
        """To each of them."""
        for keeper in self._keepers:
            _hand(keeper.remove, item)

    def keep_only(self, uids: set[str]) -> None:
        """To each of them."""
        for keeper in self._keepers:
            keeper.keep_only(uids)


class Reflector:
    """Follows one collection in a thread of its own until `close`."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        listing: Permission,
        watching: Permission,
        keeper: Keeper,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
        rng: random.Random,
        remedies: Mapping[int, str] | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """remedies: what is said about a status besides; an empty text: it is no trouble, the API may be absent."""
        self._api = api
        self._listing = listing
        self._watching = watching
        self._keeper = keeper
        self._namespace = namespace
        self._selector = dict(selector or {})
        self._rng = rng
        self._remedies = _REMEDIES if remedies is None else remedies
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._synced = threading.Event()
        self._stream: EventStream | None = None
        self._version: str | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"watch-{listing.resource}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def synced(self) -> bool:
        """Whether a complete list has been there."""
        return self._synced.is_set()

    def wait_until_synced(self, seconds: float) -> bool:
        """Waits for the first complete list; returns whether it came."""
        return self._synced.wait(seconds)

    def close(self) -> None:
        """Ends the thread; a blocked read is woken up."""
        self._stopping.set()
        if (stream := self._stream) is not None:
            stream.interrupt()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._version is None:
                    self._version = self._list()
                    self._synced.set()
                self._follow()
            except ApiFailure as failure:
                self._recover(failure)
            except Exception:  # an answer that nobody foresaw must not end the watch for good
                log.exception("watching %s failed, it is listed anew", self._listing.resource)
                self._version = None
                self._pause()

    def _recover(self, failure: ApiFailure) -> None:
        if self._stopping.is_set():
            return
        if failure.status == _GONE and self._version is not None:
            log.info("%s: the version was forgotten by the server, listed anew", self._listing.resource)
            self._version = None
            return
        remedy = self._remedies.get(failure.status)
        log.log(
            logging.DEBUG if remedy == "" else logging.WARNING,
            "%s: %s%s",
            self._listing.resource,
            failure,
            remedy or "",
        )
        self._pause()

    def _pause(self) -> None:
        """Full jitter: after an outage of the API a thousand clients must not return in one second."""
        self._failures += 1
        self._wait(self._rng.uniform(0, min(2.0**self._failures, _BACK_OFF_LIMIT_SECONDS)))

    def _list(self) -> str:
        query = {**self._selector, "limit": str(_PAGE)}
        uids: set[str] = set()
        while True:
            page = self._api.call(self._listing, namespace=self._namespace, query=query)
            for item in page.get("items") or []:
                uids.add(item["metadata"]["uid"])
                _hand(self._keeper.put, item)
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"] = metadata["continue"]
        self._keeper.keep_only(uids)
        return str(metadata.get("resourceVersion") or "")

    def _follow(self) -> None:
        seconds = self._rng.randint(*_WATCH_SECONDS)
        query = {
            **self._selector,
            "resourceVersion": self._version or "",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        stream = self._api.stream(
            self._watching, namespace=self._namespace, query=query, read_seconds=seconds + _READ_MARGIN_SECONDS
        )
        silent = True
        with closing(stream):
            self._stream = stream
            if self._stopping.is_set():  # close() came while the watch was being opened and found nothing to wake up
                return
            for event in stream:
                if self._stopping.is_set():
                    return
                silent = False
                self._failures = 0
                self._take(event)
        if silent:  # nothing at all, not even a bookmark: a server that closes at once must not be asked in a loop
            self._pause()

    def _take(self, event: Mapping[str, Any]) -> None:
        item = event["object"]
        if event["type"] in ("ADDED", "MODIFIED"):
            _hand(self._keeper.put, item)
        elif event["type"] == "DELETED":
            _hand(self._keeper.remove, item)
        self._version = item["metadata"]["resourceVersion"]
