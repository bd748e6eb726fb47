"""How every sample runs: listens, says where in one line of JSON, and on SIGTERM finishes what it has begun."""

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import typer
import uvicorn
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp

from examples.mcp import telemetry

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")]
MetricsPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of /metrics for Prometheus; 0: any free one.")]
DrainSeconds = Annotated[int, typer.Option(min=1, help="How long calls in flight may take after SIGTERM.")]
LOOPBACK = "127.0.0.1"
_BACKLOG = 2048
# Longer than whoever calls keeps an idle connection for another request, proxies too (Envoy: an hour unless it is told
# otherwise). Else a server hangs up just as a request is on its way, and its caller sees a 503 that no retry may hide.
_KEEP_ALIVE_SECONDS = 3900
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Listener:
    """Where one program listens and how long it may take to stop. The port is bound at once, so that it is known."""

    name: str
    host: str
    port: int
    metrics_port: int
    drain_seconds: int
    path: str = ""  # what is appended to the address that is announced
    _socket: socket.socket = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = socket.socket(family)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((self.host, self.port))
        object.__setattr__(self, "_socket", bound)

    @property
    def url(self) -> str:
        """Where it can be reached, once `run` was called."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._socket.getsockname()[1]}{self.path}"

    def run(self, build: Callable[[], ASGIApp], *, on_stop: Sequence[Callable[[], None]] = ()) -> None:
        """Until SIGTERM or SIGINT. `build` is called after telemetry was switched on; `on_stop` ends open streams."""
        logging.basicConfig(level="WARNING", stream=sys.stderr)
        # Else answers that are event streams are cut off on SIGTERM.
        AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]
        with telemetry.switched_on(self.name, host=self.host, metrics_port=self.metrics_port) as metrics_url:
            line = json.dumps({"name": self.name, "url": self.url, "metrics_url": metrics_url})
            server = Server(
                build(),
                drain_seconds=self.drain_seconds,
                on_ready=lambda: print(line, flush=True),
                on_stop=on_stop,
            )
            asyncio.run(server.serve(sockets=[self._socket]))


class Server(uvicorn.Server):
    """uvicorn's, which tells when it is ready, ends streams before it waits for them, and returns on a signal."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        drain_seconds: int,
        on_ready: Callable[[], None],
        on_stop: Sequence[Callable[[], None]] = (),
    ) -> None:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=drain_seconds,
        )
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends streams, waits for calls."""
        for stop in self._on_stop:
            stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal only asks for the end: uvicorn would raise it again, and the process would die of it."""
        loop = asyncio.get_running_loop()
        for one in _SIGNALS:
            loop.add_signal_handler(one, self.handle_exit, one, None)
        try:
            yield
        finally:
            for one in _SIGNALS:
                loop.remove_signal_handler(one)
