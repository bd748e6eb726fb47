"""What Jaeger keeps over a restart, for how long, and what it answers besides traces."""

import random
from itertools import islice
from pathlib import Path

import httpx

from tests.e2e.harness import collectors
from tests.e2e.harness.jaeger import Jaeger
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.spans import Call, Sender, trace_ids
from tests.e2e.tracing.conftest import Chain

RETENTION_SECONDS = 12


def failed_calls(seed: int, count: int = 20) -> list[Call]:
    """Of a kind that is always kept."""
    return [Call(one, failed=True) for one in islice(trace_ids(random.Random(seed)), count)]


def test_after_a_restart_a_trace_is_still_there(chain: Chain) -> None:
    calls = failed_calls(10)
    Sender(chain.agent.http_port, server="restarted").send(calls)
    wanted = {call.trace_id for call in calls}
    wait_until(lambda: chain.jaeger.trace_ids("restarted") == wanted, seconds=40, what="the traces are in Jaeger")
    chain.jaeger.stop()
    chain.jaeger.start()
    assert chain.jaeger.trace_ids("restarted") == wanted
    assert [span.kind for span in chain.jaeger.trace(calls[0].trace_id)] in (["CLIENT", "SERVER"], ["SERVER", "CLIENT"])


def test_after_its_retention_a_trace_is_gone_and_later_ones_are_not(tmp_path: Path) -> None:
    jaeger = Jaeger(tmp_path / "jaeger", retention=f"{RETENTION_SECONDS}s").start()
    gateway = collectors.gateway(tmp_path / "gateway", jaeger_port=jaeger.otlp_port).start()
    agent = collectors.agent(tmp_path / "agent", gateway_port=gateway.grpc_port).start()
    try:
        old, new = failed_calls(11, 2)
        sender = Sender(agent.http_port, server="forgotten")
        sender.send([old])
        wait_until(lambda: jaeger.trace(old.trace_id), seconds=RETENTION_SECONDS, what="the old trace is in Jaeger")
        wait_until(
            lambda: not jaeger.trace(old.trace_id), seconds=RETENTION_SECONDS + 10, what="the old trace is forgotten"
        )
        sender.send([new])
        wait_until(lambda: jaeger.trace(new.trace_id), seconds=RETENTION_SECONDS, what="the new trace is in Jaeger")
        assert not jaeger.trace(old.trace_id)
    finally:
        for one in (agent, gateway, jaeger):
            one.stop()


def test_sdks_are_told_how_much_to_sample(chain: Chain) -> None:
    url = f"http://127.0.0.1:{chain.jaeger.sampling_port}/api/sampling"
    told = httpx.get(url, params={"service": "mcp-catalog"}).json()
    operations = {
        one["operation"]: one["probabilisticSampling"]["samplingRate"]
        for one in told["operationSampling"]["perOperationStrategies"]
    }
    assert told["operationSampling"]["defaultSamplingProbability"] == 1
    assert operations["GET /livez"] == operations["GET /metrics"] == 0
