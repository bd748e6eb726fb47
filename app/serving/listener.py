"""uvicorn as this service runs it: client certificates reach the doors, TLS is replaced while running, and a stop
waits until no endpoint points here any more.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import ConfigurationError
from app.serving.access.certificates import PeerChain
from app.serving.health import Drain
from app.serving.paths import PEER_EXTENSION
from app.serving.status import AsgiApp
from app.serving.tls import ReloadingContext
from app.settings import LOOPBACK, Settings

_log = logging.getLogger(__name__)
_KEEP_ALIVE_SECONDS = 120  # longer than Go's clients keep idle connections, so that they and not we hang up
_DRAIN_LIMIT_SECONDS = 10
_HEAD_SECONDS = 30  # from connecting, or a request's first byte, to the end of its head
_LARGEST_HEAD_BYTES = 65_536
Background = Callable[[], Awaitable[None]]


def peer_chain(connection: ssl.SSLObject) -> PeerChain | None:
    """What the client showed in the handshake, leaf first; None if nothing."""
    if connection.getpeercert(binary_form=True) is None:
        return None
    if hasattr(connection, "get_unverified_chain"):  # public since Python 3.13
        return PeerChain.of(connection.get_unverified_chain())
    chain = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return PeerChain.of([ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain])


class CertificateProtocol(HttpToolsProtocol):
    """uvicorn's own, which also puts the client's certificates into each request's scope.

    And which does not wait for a request's head for ever, nor let it grow without end: nobody is known yet then.
    """

    _extensions: dict[str, object]
    _head_bytes: int | None = None  # of an unfinished head; None: none has begun
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """After the handshake: the chain is the same for all requests of a connection."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        self._extensions = {PEER_EXTENSION: peer_chain(connection)} if connection is not None else {}
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, and counts what an unfinished head has grown to."""
        super().data_received(data)
        if self._head_bytes is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > _LARGEST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        """The scope is made here."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]
        self._head_bytes = 0
        self._await_head()

    def on_headers_complete(self) -> None:
        """As uvicorn's."""
        self._end_head()
        super().on_headers_complete()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

    def _end_head(self) -> None:
        self._head_bytes = None
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Listener(uvicorn.Server):
    """Serves `app` until SIGTERM or SIGINT, then goes on for shutdown_delay_seconds while readiness fails, then drains.

    A second signal ends the delay. `background` runs beside it on the same loop; if one of them dies, so does the
    listener, since a service that no longer follows its CAs must be restarted. on_listening: address and port.
    """

    def __init__(
        self,
        app: AsgiApp,
        settings: Settings,
        *,
        tls: ReloadingContext | None,
        drain: Drain,
        background: Sequence[Background] = (),
        on_listening: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        if tls is None and (settings.authentication != "none" or settings.host not in LOOPBACK):
            raise ConfigurationError("plain HTTP is only for authentication=none on a loopback address")
        super().__init__(_config(app, settings, tls))
        self._drain = drain
        self._delay_seconds = settings.shutdown_delay_seconds
        self._background = background
        self._on_listening = on_listening
        self._failure: BaseException | None = None
        self._signals = 0
        self._ends_at: float | None = None

    def run_until_stopped(self) -> None:
        """Blocks; returns after a clean stop. Raises what ended a background task."""
        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            runner.run(self.serve())

    async def serve(self, sockets: list[Any] | None = None) -> None:
        """As uvicorn's, with the background tasks."""
        tasks = [asyncio.ensure_future(job()) for job in self._background]
        for task in tasks:
            task.add_done_callback(self._watch_over)
        try:
            await super().serve(sockets)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """As uvicorn's, and tells where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_listening(host, port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal's handler: only takes note, the next tick acts."""
        self._drain.draining = True
        self._signals += 1

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s: whether to stop now."""
        if self._drain.draining and self._ends_at is None:
            self._begin_drain()
        ended = await super().on_tick(counter)
        late = self._ends_at is not None and asyncio.get_running_loop().time() >= self._ends_at
        return ended or late or self._signals > 1

    def _begin_drain(self) -> None:
        self._ends_at = asyncio.get_running_loop().time() + self._delay_seconds
        # Long-lived connections of the aggregator move to another replica with their next request.
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers.append((b"connection", b"close"))
        _log.info("stopping: serving on for %g s", self._delay_seconds)

    def _watch_over(self, task: asyncio.Future[None]) -> None:
        if task.cancelled():
            return
        self._failure = task.exception() or RuntimeError("a background task ended")
        _log.error("a background task died, stopping", exc_info=self._failure)
        self.should_exit = True


def _config(app: AsgiApp, settings: Settings, tls: ReloadingContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=CertificateProtocol,
        ws="none",
        interface="asgi3",
        ssl_context_factory=None if tls is None else lambda config, default: tls,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # identity comes from certificates, never from X-Forwarded-For
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_LIMIT_SECONDS,
    )
