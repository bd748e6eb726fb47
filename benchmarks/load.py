"""An open-loop load generator over TLS: requests leave at fixed times, whether or not earlier ones were answered.

Latency counts from the time at which a request was due, so that a server that stalls cannot slow its own
measurement down. It runs as a process of its own: `python -m benchmarks.load < plan.json` prints a Result as JSON.
"""

import asyncio
import collections
import json
import random
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import cast

import numpy as np
import uvloop

_PATIENCE_SECONDS = 5.0  # with the last answers


@dataclass(frozen=True)
class Plan:
    """What to ask whom. Paths are drawn at random; answers of the first `warm_up_seconds` do not count."""

    host: str
    port: int
    ca_file: str
    cert_file: str
    key_file: str
    headers: dict[str, str]
    paths: list[str]
    rate: float
    seconds: float
    warm_up_seconds: float = 3.0
    connections: int = 12
    seed: int = 1


@dataclass(frozen=True)
class Result:
    """Latencies in ms; `late`: by how much requests left after they were due, at the 99th percentile."""

    asked_rate: float
    answered_rate: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late_p99_ms: float
    statuses: dict[str, int]
    failures: int
    worst: list[tuple[float, float]] = field(default_factory=list)  # (second of the run, ms), to find what stalls


@dataclass
class _Tally:
    """What has been seen so far."""

    due_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    statuses: collections.Counter[str] = field(default_factory=collections.Counter)


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._due_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's has another base class
        self._generator.free(self)

    def ask(self, request: bytes, due_s: float) -> None:
        """Sends; the generator is told when the answer is there."""
        assert self._transport is not None
        self._due_s = due_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or self._due_s is None or len(body) < _content_length(head):
            return
        self._received = b""
        due_s, self._due_s = self._due_s, None
        self._generator.answered(due_s, head[9:12].decode())
        self._generator.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.lost(self, unanswered=self._due_s is not None)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


class Generator:
    """Runs one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = [_request(plan, path) for path in plan.paths]
        self._random = random.Random(plan.seed)
        self._idle: collections.deque[_Connection] = collections.deque()
        self._waiting: collections.deque[float] = collections.deque()
        self._tally = _Tally()
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = 0.0
        self._answered = self._lost = 0
        self._done = False

    async def run(self) -> Result:
        """Connects, sends on time, waits a little for the last answers."""
        await asyncio.gather(*(self._connect() for _ in range(self._plan.connections)))
        total = round(self._plan.rate * (self._plan.seconds + self._plan.warm_up_seconds))
        self._began = time.perf_counter() + 0.1
        for number in range(total):
            due = self._began + number / self._plan.rate
            while (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self._send_or_queue(due)
        patience = time.perf_counter() + _PATIENCE_SECONDS
        while self._answered + self._lost < total and time.perf_counter() < patience:
            await asyncio.sleep(0.01)
        self._done = True
        return self._result(failures=total - self._answered)

    async def _connect(self) -> None:
        context = ssl.create_default_context(cafile=self._plan.ca_file)
        context.load_cert_chain(self._plan.cert_file, self._plan.key_file)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: _Connection(self), self._plan.host, self._plan.port, ssl=context)

    def _send_or_queue(self, due_s: float) -> None:
        if self._idle:
            self._send(self._idle.popleft(), due_s)
        else:
            self._waiting.append(due_s)

    def _send(self, connection: _Connection, due_s: float) -> None:
        self._tally.late_s.append(time.perf_counter() - due_s)
        connection.ask(self._random.choice(self._requests), due_s)

    def free(self, connection: _Connection) -> None:
        """The connection can take a request: the one that has waited longest, if any."""
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def answered(self, due_s: float, status: str) -> None:
        """Counts an answer, unless it was for warming up."""
        self._answered += 1
        if due_s - self._began < self._plan.warm_up_seconds:
            return
        self._tally.due_s.append(due_s - self._began)
        self._tally.latency_s.append(time.perf_counter() - due_s)
        self._tally.statuses[status] += 1

    def lost(self, connection: _Connection, *, unanswered: bool) -> None:
        """The server hung up: counts what got no answer and connects again."""
        if self._done:
            return
        self._lost += unanswered
        if connection in self._idle:
            self._idle.remove(connection)
        task = asyncio.ensure_future(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _result(self, *, failures: int) -> Result:
        latency_ms = np.asarray(self._tally.latency_s or [float("nan")]) * 1000
        late_ms = np.asarray(self._tally.late_s or [float("nan")]) * 1000
        worst = np.argsort(latency_ms)[::-1][:10]
        p50, p90, p99, p999 = (float(one) for one in np.percentile(latency_ms, [50, 90, 99, 99.9]))
        return Result(
            asked_rate=self._plan.rate,
            answered_rate=len(self._tally.latency_s) / self._plan.seconds,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            p999_ms=p999,
            max_ms=float(latency_ms.max()),
            late_p99_ms=float(np.percentile(late_ms, 99)),
            statuses=dict(self._tally.statuses),
            failures=failures,
            worst=[(round(self._tally.due_s[at], 2), round(float(latency_ms[at]), 1)) for at in worst]
            if self._tally.due_s
            else [],
        )


def _request(plan: Plan, path: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {plan.host}:{plan.port}"]
    lines += [f"{name}: {value}" for name, value in plan.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def main() -> None:
    """Reads a plan, prints the result."""
    plan = Plan(**json.load(sys.stdin))
    result = uvloop.run(Generator(plan).run())
    json.dump(asdict(result), sys.stdout)


if __name__ == "__main__":
    main()
