"""`make bench-telemetry`: what the instrumentation costs an operation of the SDK's own server, and of its throughput.

Four servers, each a process, take turns in short rounds of a closed loop, so that what else the machine does meets all
of them alike; each round's figures are set against those of its plain server, and the medians of these are shown.
Processor time of the server's process is what counts: it does not depend on who else runs, as throughput does.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Annotated, Any

import typer
from mcp.client import Client
from mcp.server._otel import OpenTelemetryMiddleware

from benchmarks.mcp_server import STATES, State, adder, prepare
from benchmarks.processes import ROOT
from tracing.mcp.server import ServerTelemetry

_CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "add",
        "arguments": {"a": 1, "b": 2},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
    },
}
_TEXT = {
    "plain": "as the SDK comes, OpenTelemetry's SDK absent",
    "dormant": "instrumented, OpenTelemetry's SDK absent",
    "spans": "the SDK's own spans, batched",
    "full": "instrumented: spans, metrics, ASGI layer",
}


@dataclass(frozen=True)
class Round:
    """One server's turn: operations, seconds it took, processor seconds of the server."""

    operations: int
    seconds: float
    cpu_seconds: float

    @property
    def cpu_us(self) -> float:
        """Processor microseconds an operation."""
        return 1e6 * self.cpu_seconds / self.operations

    @property
    def per_second(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds


class Server:
    """A server process and its port."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port: int = self._ask_line()["port"]

    def cpu_seconds(self) -> float:
        """Processor seconds so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._ask_line()["cpu_seconds"])

    def _ask_line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))


@contextmanager
def served(state: State) -> Iterator[Server]:
    """A server of that state, ended at the end."""
    command = [sys.executable, "-m", "benchmarks.mcp_server"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"state": state}) + "\n")
        process.stdin.flush()
        try:
            yield Server(process)
        finally:
            process.kill()


async def closed_loop(port: int, *, operations: int, callers: int) -> float:
    """Seconds that `callers` connections need for `operations` calls, each the next as soon as one is answered."""
    body = json.dumps(_CALL).encode()
    request = (
        b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept: application/json\r\ncontent-type: application/json\r\n"
        b"mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: add\r\ncontent-length: %d\r\n\r\n%s"
    ) % (port, len(body), body)

    async def call(times: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            await reader.readexactly(int(length))
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(call(operations // callers) for _ in range(callers)))
    return time.perf_counter() - started


def turn(server: Server, *, operations: int, callers: int) -> Round:
    """One round of one server."""
    before = server.cpu_seconds()
    seconds = asyncio.run(closed_loop(server.port, operations=operations, callers=callers))
    return Round(operations, seconds, server.cpu_seconds() - before)


async def middleware_us(state: State, *, operations: int) -> float:
    """Processor microseconds an operation in the middleware alone: a real context, a handler that returns at once."""
    server = adder()
    kept: list[Any] = []

    async def keep(ctx: Any, call_next: Any) -> Any:
        kept.append(ctx)
        return await call_next(ctx)

    async def answer(ctx: Any) -> dict[str, Any]:
        return {"content": []}

    prepare(server, state)
    server.middleware.append(keep)
    async with Client(server) as client:
        await client.session.call_tool("add", {"a": 1, "b": 2})
    (measured,) = [one for one in server.middleware if isinstance(one, ServerTelemetry | OpenTelemetryMiddleware)]
    ctx = replace(kept[-1], params=_CALL["params"], meta=_CALL["params"]["_meta"])  # type: ignore[index]
    started = time.process_time()
    for _ in range(operations):
        await measured(ctx, answer)
    return 1e6 * (time.process_time() - started) / operations


def main(
    rounds: Annotated[int, typer.Option(help="Turns of each server.")] = 20,
    operations: Annotated[int, typer.Option(help="Calls in a turn.")] = 600,
    callers: Annotated[int, typer.Option(help="Connections at once.")] = 8,
) -> None:
    """Prints two tables."""
    taken: dict[State, list[Round]] = {state: [] for state in STATES}
    with ExitStack() as stack:
        servers = {state: stack.enter_context(served(state)) for state in STATES}
        for server in servers.values():
            turn(server, operations=operations, callers=callers)
        for number in range(rounds):
            for state in STATES if number % 2 else reversed(STATES):
                taken[state].append(turn(servers[state], operations=operations, callers=callers))
    print("| server | cpu us an operation | more than plain, us | operations/s | of plain's |")
    print("|---|---|---|---|---|")
    for state in STATES:
        print(row(state, taken))
    print()
    print("| the middleware alone | cpu us an operation |")
    print("|---|---|")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        for state in STATES:
            print(f"| {_TEXT[state]} | {processes.submit(alone, state).result():.1f} |")


def alone(state: State) -> float:
    """The least of five runs, in a process whose providers are its own."""
    return min(asyncio.run(middleware_us(state, operations=4_000)) for _ in range(5))


def row(state: State, taken: dict[State, list[Round]]) -> str:
    """Medians of one state, and of its differences and ratios round by round."""
    pairs = list(zip(taken[state], taken["plain"], strict=True))
    cells = (
        _TEXT[state],
        f"{statistics.median(one.cpu_us for one in taken[state]):.0f}",
        f"{statistics.median(one.cpu_us - plain.cpu_us for one, plain in pairs):+.0f}",
        f"{statistics.median(one.per_second for one in taken[state]):.0f}",
        f"{100 * statistics.median(one.per_second / plain.per_second for one, plain in pairs):.1f} %",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    typer.run(main)
