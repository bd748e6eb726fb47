"""The door itself: from a path to an answer, as plain ASGI because each HPA asks for each metric every few seconds."""

import logging
from urllib.parse import parse_qsl

from app.clock import Clock
from app.serving.external_metrics import selectors
from app.serving.external_metrics.discovery import Discovery, not_modified, unchanged
from app.serving.external_metrics.forwarding import Forwarder
from app.serving.external_metrics.naming import GROUP, Address, address, owned
from app.serving.external_metrics.values import found_row, value_answer
from app.serving.instruments import Instruments
from app.serving.status import Answer, AsgiApp, Receive, Refusal, Scope, Send, reply
from app.snapshot import SnapshotStore

_log = logging.getLogger(__name__)
_JSON_RANGES = frozenset({"", "*/*", "application/*", "application/json"})
_TRUE = frozenset({"true", "1", "t", "T", "TRUE", "True"})


class ExternalMetrics:
    """external.metrics.k8s.io/v1beta1 over the latest snapshot; other paths go to `otherwise`."""

    def __init__(
        self,
        store: SnapshotStore,
        *,
        clock: Clock,
        instruments: Instruments,
        version: str,
        otherwise: AsgiApp | None = None,
        forwarder: Forwarder | None = None,
    ) -> None:
        """otherwise: for paths that are not this door's. forwarder: for metrics that are not ours."""
        self._store = store
        self._forwarder = forwarder
        self._clock = clock
        self._freshness = instruments.freshness.labels(GROUP)
        self._discovery = Discovery(version=version)
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if self._otherwise is not None and (scope["type"] != "http" or not owned(scope["path"])):
            await self._otherwise(scope, receive, send)
            return
        try:
            answer = await self._answer(scope)
        except Refusal as refusal:
            answer = refusal.answer()
        except Exception:  # noqa: BLE001 - a bug must answer as a Status too
            _log.exception("bug while answering %s", scope["path"])
            answer = Refusal(500, "internal error; the service's log has the details").answer()
        await reply(send, answer)

    async def _answer(self, scope: Scope) -> Answer:
        path, accept = scope["path"], _header(scope, b"accept")
        asked = address(path)
        document = None if asked else self._discovery.find(path, accept=accept)
        if asked is None and document is None:
            raise Refusal(404, f"the server could not find the requested resource {path}")
        if scope["method"] != "GET":
            raise Refusal(405, f"{scope['method']} is not supported here, only GET", headers=((b"allow", b"GET"),))
        if not _accepts_json(accept):
            raise Refusal(406, "only the following media types are accepted: application/json")
        if document is not None:
            return not_modified(document) if unchanged(document, _header(scope, b"if-none-match")) else document
        assert asked is not None
        if self._forwarder is not None and self._foreign(asked):
            return await self._forwarder.ask(path, scope["query_string"], scope["headers"])
        return self._value(asked, scope["query_string"])

    def _foreign(self, asked: Address) -> bool:
        """Whether no LoadForecast has that name, not even one that cannot be used. Unknown before the first pass."""
        snapshot = self._store.latest
        if snapshot is None:
            return False
        key = (asked.namespace, asked.metric)
        return key not in snapshot.rows and "/".join(key) not in snapshot.rejected

    def _value(self, asked: Address, query: bytes) -> Answer:
        selector = _selector(query)
        now = self._clock.now()
        snapshot, row = found_row(self._store.latest, asked)
        answer = value_answer(snapshot, row, selector=selector, now=now)
        self._freshness.observe(max(0.0, snapshot.age_seconds(row, now)))
        return answer


def _selector(query: bytes) -> selectors.Selector:
    """From the query's first labelSelector. Raises Refusal: 400 if it cannot be parsed, 405 for a watch."""
    parameters = dict(reversed(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
    if parameters.get("watch") in _TRUE:
        raise Refusal(405, "external metrics cannot be watched; ask again instead", headers=((b"allow", b"GET"),))
    try:
        return selectors.parse(parameters.get("labelSelector", ""))
    except selectors.SelectorError as error:
        raise Refusal(400, str(error)) from None


def _header(scope: Scope, name: bytes) -> str:
    """All values of a header, joined as HTTP allows; "" if it is missing."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _accepts_json(accept: str) -> bool:
    """Whether JSON is among what is accepted; weights are ignored, since JSON is all there is."""
    if not accept or "*/*" in accept:
        return True
    return any(part.partition(";")[0].strip().lower() in _JSON_RANGES for part in accept.split(","))
