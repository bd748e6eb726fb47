"""The load generator: when calls are due, what is measured, where it stops, whom it may load."""

import asyncio
import random

import pytest
import typer
from typer.testing import CliRunner

from examples.mcp.load.__main__ import main, on_loopback, parsed
from examples.mcp.load.generator import NOT_SENT, Generator, Sample
from examples.mcp.load.pool import Call, connected, modes
from examples.mcp.load.profile import Profile
from examples.mcp.load.report import Report
from examples.mcp.servers.hosting import Replica
from tests.samples.doubles import HandClock
from tests.samples.test_servers import catalog, workshop


def trace(tmp_path, text):
    file = tmp_path / "trace.csv"
    file.write_text("timestamp,value\n" + text)
    return file


def test_a_constant_rate_is_due_evenly_until_the_end():
    assert list(Profile.constant(4, seconds=1.5).arrivals()) == [0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_no_rate_is_no_call():
    assert list(Profile.constant(0, seconds=10).arrivals()) == []


def test_a_trace_is_played_faster_and_larger_than_it_was_recorded(tmp_path):
    file = trace(tmp_path, "2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,0\n2026-01-01T00:02:00Z,0.5\n")
    profile = Profile.read(file, speed=30, scale=2, most_seconds=1000)
    assert profile.end_s == 6
    assert [profile.level(at) for at in (-1, 0, 1.9, 2, 4, 5.9, 6)] == [0, 2, 2, 0, 1, 1, 0]
    assert list(profile.arrivals()) == [0, 0.5, 1, 1.5, 4, 5]


def test_a_trace_ends_with_the_time_that_is_allowed(tmp_path):
    profile = Profile.read(trace(tmp_path, "0,1\n60,1\n"), speed=1, scale=1, most_seconds=3)
    assert list(profile.arrivals()) == [0, 1, 2]


@pytest.mark.parametrize(
    "text", ["0,1\n", "0,1\n0,2\n", "60,1\n0,1\n", "0,1\n60,-1\n", "0,1\n60,nan\n", "0,1\n60,much\n"]
)
def test_a_trace_that_cannot_be_played_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r".+"):
        Profile.read(trace(tmp_path, text), speed=1, scale=1, most_seconds=10)


def test_random_arrivals_have_the_rate_asked_for_and_are_the_same_for_the_same_seed():
    profile = Profile.constant(100, seconds=100)
    times = list(profile.arrivals(rng=random.Random(7)))
    assert len(times) == pytest.approx(10_000, abs=300)  # three standard deviations
    assert times == sorted(times)
    assert times[-1] < 100
    assert times == list(profile.arrivals(rng=random.Random(7)))


async def test_in_an_open_loop_a_stall_of_the_server_does_not_slow_the_calls_down():
    clock = HandClock()
    gate = asyncio.Event()
    sent = []

    async def stalled():
        sent.append(clock.now())
        if len(sent) == 5:
            gate.set()
        await gate.wait()

    generator = Generator(stalled, most_calls=100, clock=clock)
    await generator.open_loop([0, 1, 2, 3, 4], most_in_flight=10)
    assert sent == [0, 1, 2, 3, 4]
    assert sorted(one.latency_seconds for one in generator.samples) == [0, 1, 2, 3, 4]


async def test_a_generator_that_is_itself_late_says_by_how_much_and_catches_up():
    clock = HandClock()

    async def call():
        if clock.now() < 3:
            clock.time += 2.5  # holds the processor

    generator = Generator(call, most_calls=100, clock=clock)
    await generator.open_loop([0, 1, 2, 5], most_in_flight=10)
    assert [one.late_seconds for one in generator.samples] == [0, 2.5, 1.5, 0]
    assert [one.latency_seconds for one in generator.samples] == [2.5, 2.5, 1.5, 0]


async def test_too_many_calls_in_flight_are_counted_and_not_sent():
    gate = asyncio.Event()

    async def call():
        await gate.wait()

    generator = Generator(call, most_calls=100, clock=HandClock())
    running = asyncio.create_task(generator.open_loop([0, 1, 2, 3], most_in_flight=2))
    while len(generator.samples) < 2:
        await asyncio.sleep(0)
    gate.set()
    await running
    assert [one.error for one in generator.samples] == [NOT_SENT, NOT_SENT, None, None]


async def test_an_open_loop_ends_with_the_count():
    generator = Generator(well, most_calls=3, clock=HandClock())
    await generator.open_loop(Profile.constant(1, seconds=1e9).arrivals(), most_in_flight=10)
    assert len(generator.samples) == 3


async def test_in_a_closed_loop_a_caller_waits_for_its_answer_and_thinks():
    clock = HandClock()

    async def call():
        await clock.sleep(1)

    generator = Generator(call, most_calls=100, clock=clock)
    await generator.closed_loop(Profile.constant(1, seconds=6), think_seconds=2)
    assert [one.latency_seconds for one in generator.samples] == [1, 1]
    assert clock.time == 6


async def test_a_closed_loop_ends_with_the_count():
    generator = Generator(well, most_calls=5, clock=HandClock())
    await generator.closed_loop(Profile.constant(3, seconds=1e9), think_seconds=1)
    assert len(generator.samples) == 5


async def well():
    return None


def test_a_report_tells_errors_by_kind_and_latency_of_answers_only():
    samples = [Sample(None, 0.1, 0.0), Sample(None, 0.3, 0.2), Sample("tool", 9.0, 0.0), Sample(NOT_SENT, 0.0, 5.0)]
    report = Report.of(samples, seconds=2)
    assert (report.sent, report.ok, report.rate) == (3, 2, 1.5)
    assert report.errors == {NOT_SENT: 1, "tool": 1}
    assert (report.latency_seconds.p50, report.latency_seconds.max) == (0.2, 0.3)
    assert report.late_seconds.max == 5.0


def test_a_run_without_calls_has_a_report_too():
    assert Report.of([], seconds=0).latency_seconds.p50 is None


def test_mixed_eras_are_half_of_each():
    assert modes("mixed", clients=5) == ["2026-07-28", "legacy", "2026-07-28", "legacy", "2026-07-28"]


@pytest.mark.parametrize("era", ["modern", "legacy", "mixed"])
async def test_every_era_is_answered_on_every_connection(serve, era):
    app, streams = catalog(Replica("catalog-0"))
    url = f"{await serve(app, streams.close)}/mcp"
    calls = [Call("whoami", {}), Call("lookup", {"sku": "none"})]
    async with connected(url, era=era, clients=2, calls=calls, timeout_seconds=10) as pool:
        assert [await pool.call() for _ in range(6)] == [None, None, "tool", "tool", None, None]


async def test_each_kind_of_error_is_told_apart(serve):
    app, streams = workshop(Replica("workshop-0"))
    url = f"{await serve(app, streams.close)}/mcp"
    calls = [Call("fail", {}), Call("fail", {"kind": "protocol"}), Call("make", {"part": "bolt", "seconds": 600})]
    async with connected(url, era="modern", clients=1, calls=calls, timeout_seconds=1) as pool:
        assert [await pool.call() for _ in range(3)] == ["tool", "protocol -32603", "timeout"]
    async with connected("http://127.0.0.1:1/mcp", era="legacy", clients=1, calls=calls, timeout_seconds=1) as pool:
        assert await pool.call() == "transport"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:80/mcp", True),
        ("http://127.9.9.9/mcp", True),
        ("http://[::1]:80/mcp", True),
        ("http://localhost/mcp", True),
        ("http://10.0.0.1/mcp", False),
        ("http://localhost.example.com/mcp", False),
        ("http://user@127.0.0.1.example.com/", False),
        ("nonsense", False),
    ],
)
def test_only_this_machine_counts_as_loopback(url, loopback):
    assert on_loopback(url) is loopback


def test_calls_are_read_from_tool_and_json():
    assert parsed('search={"words": "a=b"}') == Call("search", {"words": "a=b"})
    assert parsed("whoami") == Call("whoami", {})
    with pytest.raises(ValueError, match="TOOL="):
        parsed("search=[1]")


def test_another_machine_is_not_loaded_by_accident():
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["http://192.0.2.1/mcp", "--seconds", "0"])
    assert result.exit_code == 2
    assert "--allow-remote" in result.output
