"""A real HTTP server on loopback that speaks the Prometheus API and can be told to misbehave."""

import gzip
import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What the server answers. Several chunks are sent one by one, each after `before_chunk` was called."""

    status: int = 200
    body: bytes | tuple[bytes, ...] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    before_chunk: Callable[[], object] = lambda: None


Answering = Reply | Callable[[Asked], Reply]


def success(result: object, kind: str = "matrix", **more: object) -> Reply:
    """A JSON answer of the API."""
    document = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return Reply(body=json.dumps(document).encode(), headers={"Content-Type": "application/json"})


def failure(status: int, error: str, **headers: str) -> Reply:
    """An error of the API."""
    document = {"status": "error", "errorType": "execution", "error": error}
    return Reply(
        status, json.dumps(document).encode(), {name.replace("_", "-"): text for name, text in headers.items()}
    )


def ramp(asked: Asked) -> Reply:
    """Answers a range query with one series whose value at a time is that time."""
    start, end, step = (int(asked.parameters[name].rstrip("s")) for name in ("start", "end", "step"))
    values = [[time_s, str(time_s)] for time_s in range(start, end + 1, step)]
    return success([{"metric": {"pod": "a"}, "values": values}])


def zipped(reply: Reply) -> Reply:
    """The same answer, compressed."""
    assert isinstance(reply.body, bytes)
    return Reply(reply.status, gzip.compress(reply.body), {**reply.headers, "Content-Encoding": "gzip"})


class FakeStore:
    """Gives the queued answers one after the other, then `default` for ever."""

    def __init__(self, *, default: Answering = ramp, prefix: str = "") -> None:
        self.default = default
        self.queue: deque[Answering] = deque()
        self.asked: list[Asked] = []
        self.prefix = prefix
        self.date: str | None = None  # what its clock says; default: the machine's
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._scheme = "http"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body go out apart, and at once

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                store.answer(self, parts.path, parts.query)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                store.answer(self, self.path, body)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return store.date or super().date_time_string(timestamp)

            def log_message(self, *args: object) -> None:
                return

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler, path: str, query: str) -> None:
        """Called by the handler for each request."""
        parameters = {name: texts[0] for name, texts in parse_qs(query).items()}
        asked = Asked(
            handler.command,
            path,
            parameters,
            {**dict(handler.headers.items()), "X-Client-Port": str(handler.client_address[1])},
        )
        with self._lock:
            self.asked.append(asked)
            answering = self.queue.popleft() if self.queue else self.default
        reply = answering if isinstance(answering, Reply) else answering(asked)
        reply.before()
        chunks = (reply.body,) if isinstance(reply.body, bytes) else reply.body
        try:
            handler.send_response(reply.status)
            for name, text in reply.headers.items():
                handler.send_header(name, text)
            if "Content-Length" not in reply.headers:
                handler.send_header("Content-Length", str(sum(map(len, chunks))))
            handler.end_headers()
            for chunk in chunks:
                reply.before_chunk()
                handler.wfile.write(chunk)
                handler.wfile.flush()
        except OSError:  # the client went away, as it should when it has had enough
            handler.close_connection = True

    def secured(self, context: ssl.SSLContext) -> None:
        """Speaks TLS from now on; call before `running`."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "https"

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}{self.prefix}"

    @contextmanager
    def running(self) -> Iterator["FakeStore"]:
        """Serves until the block ends."""
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # refused handshakes are tested
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def parameters(self, name: str) -> list[str]:
        """One parameter of all requests so far."""
        return [asked.parameters[name] for asked in self.asked]

    def enqueue(self, answers: Iterable[Answering]) -> None:
        """Answers to give before the default."""
        self.queue.extend(answers)
