"""A gateway that dies under load: what had been accepted before, meanwhile and after it."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.harness.collectors import DECISION_SECONDS
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.spans import Call, Sender, trace_ids
from tests.e2e.tracing.conftest import Chain

BATCH, EVERY_SECONDS = 20, 0.05  # 400 traces a second
QUEUED = "otelcol_exporter_queue_size"


@dataclass
class Load:
    """Failed calls, which sampling never drops, sent by a thread until told to stop."""

    sender: Sender
    accepted_at: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, ids: Iterator[str]) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            calls = [Call(next(ids), failed=True) for _ in range(BATCH)]
            self.sender.send(calls)
            now = time.monotonic()
            self.accepted_at.update((call.trace_id, now) for call in calls)

    @contextmanager
    def running(self, seed: int) -> Iterator["Load"]:
        thread = threading.Thread(target=self.run, args=(trace_ids(random.Random(seed)),))
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(timeout=30)

    def more(self, count: int) -> None:
        """Waits until so many traces more were accepted."""
        wanted = len(self.accepted_at) + count
        wait_until(lambda: len(self.accepted_at) >= wanted, seconds=60, what=f"{count} more traces are accepted")


def lost_of(chain: Chain, load: Load, *, excused: frozenset[str] = frozenset()) -> set[str]:
    """Trace ids that did not reach Jaeger, once all but the excused ones have and two looks agree."""
    seen: list[set[str]] = []

    def settled() -> set[str] | None:
        seen.append(set(load.accepted_at) - chain.jaeger.trace_ids(load.sender.server))
        late = seen[-1] - excused
        assert not late, f"{len(late)} of {len(load.accepted_at)} traces are not in Jaeger"
        return {"agreed"} if len(seen) > 1 and seen[-1] == seen[-2] else None

    wait_until(settled, seconds=90, what="what was accepted is in Jaeger")
    return seen[-1]


def test_without_sampling_nothing_that_was_accepted_is_lost_when_the_gateway_is_killed(tmp_path: Path) -> None:
    chain = Chain.start(tmp_path, tree="collector/overlays/keep-all")
    try:
        load = Load(Sender(chain.agent.http_port, server="survivor"))
        with load.running(seed=21):
            load.more(400)
            chain.jaeger.stop()
            load.more(1000)
            wait_until(lambda: chain.gateway.metric(QUEUED) > 0, seconds=30, what="the gateway's queue fills")
            chain.gateway.kill()
            load.more(1000)  # waits in the agent's queue
            chain.gateway.start()
            load.more(400)
            chain.jaeger.start()
            load.more(400)
        assert lost_of(chain, load) == set()
        print(f"\nkeep-all: {len(load.accepted_at)} traces accepted, gateway killed, Jaeger away: none lost")
    finally:
        chain.stop()


@pytest.mark.parametrize("end", ["terminated", "killed"])
def test_with_sampling_only_traces_without_a_decision_are_lost_and_only_if_it_is_killed(chain: Chain, end: str) -> None:
    """Until a trace is decided on it is in memory alone; SIGTERM decides on it at once, SIGKILL forgets it."""
    load = Load(Sender(chain.agent.http_port, server=f"sampled-{end}"))
    with load.running(seed=22 if end == "terminated" else 23):
        load.more(2000)
        if end == "killed":
            chain.gateway.kill()
        else:
            chain.gateway.stop()
        ended = time.monotonic()
        load.more(1000)
        chain.gateway.start()
        load.more(1000)
    recent = {one for one, at in load.accepted_at.items() if 0 <= ended - at < DECISION_SECONDS + 2}
    lost = lost_of(chain, load, excused=frozenset(recent if end == "killed" else ()))
    print(f"\n{end}: {len(lost)} of {len(load.accepted_at)} traces lost; {len(recent)} were accepted shortly before")
    assert lost <= recent if end == "killed" else not lost
