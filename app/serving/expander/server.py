"""grpcplugin.Expander/BestOptions: answers with the node groups at the least price of a forecast pod-hour.

Where it cannot choose it answers with an error: Cluster Autoscaler then goes on with all groups and its next expander.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from app import spans
from app.clock import Clock
from app.pricing.decisions import Decision, Decisions, Growth, Target, decide
from app.serving.expander import expander_pb2
from app.serving.expander.expander_pb2_grpc import ExpanderServicer, add_ExpanderServicer_to_server
from app.serving.expander.wire import offers_of
from app.serving.grpc_server import Context, Door, NoAnswer, read_anew, serving
from app.settings import Settings
from app.snapshot import Snapshot, SnapshotStore
from app.telemetry import shortened

log = logging.getLogger(__name__)
messages: Any = expander_pb2  # made at import: types are not to be seen

_CONCURRENT = 4
_LARGEST_BYTES = 32 * 2**20  # thousands of pending pods, and a template of each group
_SECONDS_PER_HOUR = 3_600
_ROUND_OFF = 1e-9
Count = Callable[[str], None]


class Expander(ExpanderServicer):
    """Reads the latest snapshot; keeps its decisions for who asks why. count: told the outcome of each call."""

    def __init__(
        self, store: SnapshotStore, *, clock: Clock, decisions: Decisions, count: Count = lambda outcome: None
    ) -> None:
        self._store = store
        self._clock = clock
        self._decisions = decisions
        self._count = count

    async def BestOptions(self, request: Any, context: Context) -> Any:  # noqa: N802 - the interface's name
        """The cheapest options; in a thread, for a request may hold thousands of pods."""
        try:
            decision = await asyncio.to_thread(spans.in_this_trace(self._decided), request)
        except NoAnswer as error:
            self._count("refused")
            log.warning("no node group is chosen, Cluster Autoscaler goes on without: %s", error.text)
            await context.abort(error.code, error.text)
        self._count("chosen")
        chosen = [one for one in request.options if one.nodeGroupId in decision.chosen]
        return messages.BestOptionsResponse(
            options=[
                messages.Option(nodeGroupId=one.nodeGroupId, nodeCount=one.nodeCount, debug=decision.text)
                for one in chosen
            ]
        )

    def _decided(self, request: Any) -> Decision:
        with spans.opened(spans.CHOOSE, {spans.GROUPS: len(request.options)}) as span:
            decision = self._decide(request)
            span.set_attribute(spans.CHOSEN, ",".join(decision.chosen))
        return decision

    def _decide(self, request: Any) -> Decision:
        snapshot, now = self._store.latest, self._clock.now()
        if snapshot is None or snapshot.economics is None:
            raise NoAnswer(grpc.StatusCode.UNAVAILABLE, "the first forecast is not there yet")
        try:
            offers = offers_of(request)
        except (DecodeError, ValueError) as error:
            raise NoAnswer(grpc.StatusCode.INVALID_ARGUMENT, f"the request cannot be read: {error}") from error
        if not offers:
            raise NoAnswer(grpc.StatusCode.INVALID_ARGUMENT, "there is no option to choose from")
        step_hours = snapshot.horizon_step_seconds / _SECONDS_PER_HOUR
        prices = snapshot.economics.prices
        decision = decide(offers, prices, growth_in(snapshot, now=now), step_hours=step_hours, now=now)
        self._decisions.add(decision)
        if not decision.chosen:
            raise NoAnswer(grpc.StatusCode.FAILED_PRECONDITION, shortened(decision.text, 1_024))
        log.info("node group chosen: %s Weighed: %s", decision.text, " ".join(one.text for one in decision.weighed))
        return decision


def growth_in(snapshot: Snapshot, *, now: float) -> Growth:
    """Pods that targets are expected to want beyond those they ask for; of one without a usable forecast none."""
    rows: dict[Target, int] = {}
    for row, one in enumerate(snapshot.forecasts):
        rows[one.namespace, one.spec.target_ref.kind, one.spec.target_ref.name] = row
    levels = np.asarray(snapshot.levels)

    def growth(targets: frozenset[Target]) -> NDArray[np.float64]:
        more = np.zeros(snapshot.quantiles.shape[1])
        for row in sorted(rows[one] for one in targets if one in rows):
            if snapshot.refusal(row, now) is None:
                path = snapshot.quantiles[row, :, int(np.abs(levels - snapshot.level[row]).argmin())]
                capacity = snapshot.forecasts[row].spec.capacity_per_pod
                asked = np.ceil(snapshot.served[row] / capacity - _ROUND_OFF)
                more += np.nan_to_num(np.ceil(path / capacity - _ROUND_OFF) - asked)
        return more

    return growth


def expander_server(
    expander: Expander, settings: Settings, *, on_listening: Callable[[int], None] = lambda port: None
) -> Callable[[], Any]:
    """A background task that serves until it is cancelled: over TLS, in the clear only on loopback."""

    def door() -> Door:
        assert settings.expander_port is not None
        return Door(
            name="Cluster Autoscaler's gRPC expander",
            add=lambda server: add_ExpanderServicer_to_server(expander, server),  # type: ignore[no-untyped-call]
            host=settings.host,
            port=settings.expander_port,
            credentials=_credentials(settings),
            concurrent=_CONCURRENT,
            largest_bytes=_LARGEST_BYTES,
        )

    return serving(door, on_listening)


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """The serving certificate, read anew for each handshake. Cluster Autoscaler has no certificate to show."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None  # settings allow that on loopback alone
    certificate, key = settings.tls_cert_file, settings.tls_key_file

    def files() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(key.read_bytes(), certificate.read_bytes())])

    return read_anew(files, mutual=False)
