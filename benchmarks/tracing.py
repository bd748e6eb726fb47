"""What spans cost on their way: seconds of processor in each collector and in Jaeger, and bytes on badger's disk.

All spans are kept (overlays/keep-all), since what sampling drops costs no disk. `make bench-tracing`.
"""

import random
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Annotated

import psutil
import typer

from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.spans import Call, Sender, trace_ids
from tests.e2e.tracing.conftest import Chain

SPANS_A_CALL = 2
TOOLS = ("search", "fetch", "lookup", "convert", "summarise")
RESOURCE = {
    "service.version": "1.4.2",
    "service.instance.id": "6f1c2a34-7a51-4be0-93c6-0d0c9e0d6a11",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.44.0",
    "k8s.namespace.name": "mcp",
    "k8s.pod.name": "catalog-7c9d8b6f5d-x2x7k",
    "k8s.deployment.name": "catalog",
    "k8s.node.name": "node-17",
}
ATTRIBUTES = (
    ("mcp.protocol.version", "2026-07-28"),
    ("network.transport", "tcp"),
    ("network.protocol.name", "http"),
    ("network.protocol.version", "1.1"),
    ("jsonrpc.request.id", "4711"),
    ("client.address", "10.1.2.3"),
)


def main(calls: Annotated[int, typer.Option(help="Traces of two spans each.")] = 50_000) -> None:
    """Send calls through agent, gateway and Jaeger; print what they cost."""
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain.start(Path(folder), tree="collector/overlays/keep-all")
        try:
            measure(chain, calls)
        finally:
            chain.stop()
        spans = calls * SPANS_A_CALL
        stored = sum(path.stat().st_blocks * 512 for path in (Path(folder) / "jaeger" / "data").rglob("*"))
        print(f"{'badger on disk':24s} {stored / spans:8.0f} bytes a span ({stored / 2**20:.0f} MiB)")


def measure(chain: Chain, calls: int) -> None:
    """Sends as fast as the agent accepts, waits until all is stored."""
    rng = random.Random(1)
    sender = Sender(chain.agent.http_port, server="catalog", resource=RESOURCE)
    made = (
        Call(one, tool=rng.choice(TOOLS), seconds=rng.expovariate(20), extra=ATTRIBUTES)
        for one in islice(trace_ids(rng), calls)
    )
    before, began = usage(chain), time.monotonic()
    sender.send(made)
    accepted = time.monotonic() - began
    sent = "otelcol_exporter_sent_spans_total"
    wait_until(lambda: chain.gateway.metric(sent) >= calls * SPANS_A_CALL, seconds=600, what="the gateway has sent all")
    took, after = time.monotonic() - began, usage(chain)
    spans = calls * SPANS_A_CALL
    print(f"{spans} spans; accepted at {spans / accepted:.0f}/s, stored at {spans / took:.0f}/s on this machine")
    for name, (seconds, mib) in after.items():
        print(f"{name:24s} {(seconds - before[name][0]) / spans * 1e6:8.0f} us of CPU a span, {mib:6.0f} MiB resident")


def usage(chain: Chain) -> dict[str, tuple[float, float]]:
    """Seconds of processor and MiB of memory of each server."""
    found = {}
    for name, one in (("agent", chain.agent), ("gateway", chain.gateway), ("jaeger", chain.jaeger)):
        assert one.server is not None
        process = psutil.Process(one.server.process.pid)
        times = process.cpu_times()
        found[name] = (times.user + times.system, process.memory_info().rss / 2**20)
    return found


if __name__ == "__main__":
    typer.run(main)
