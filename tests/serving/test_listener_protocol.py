"""A request's head before anybody is known: bounded in time and size."""

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.serving.listener import CertificateProtocol


class Timer:
    """A timer that only a test lets run out."""

    def __init__(self, seconds, action):
        self.seconds, self.action, self.cancelled = seconds, action, False

    def cancel(self):
        self.cancelled = True


class Wire(asyncio.Transport):
    """Notes what is written."""

    def __init__(self):
        super().__init__()
        self.written, self.closed, self.aborted = b"", False, False

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True


class Loop:
    """Timers that do not run, tasks that do not start."""

    def __init__(self):
        self.timers = []
        self.tasks = 0

    def call_later(self, seconds, action):
        self.timers.append(Timer(seconds, action))
        return self.timers[-1]

    def create_task(self, work):
        work.close()
        self.tasks += 1
        return Task()

    @property
    def running(self):
        return [timer for timer in self.timers if not timer.cancelled]


class Task:
    def add_done_callback(self, action):
        pass


async def nothing(scope, receive, send):
    pass


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def protocol(loop, wire):
    config = uvicorn.Config(nothing, http=CertificateProtocol, ws="none", log_config=None, interface="asgi3")
    made = CertificateProtocol(config, ServerState(), {}, _loop=loop)
    made.connection_made(wire)
    return made


def test_a_connection_that_says_nothing_is_ended(loop, wire, protocol):
    (timer,) = loop.running
    assert timer.seconds == 30
    timer.action()
    assert wire.aborted


def test_a_head_that_trickles_in_does_not_extend_its_time(loop, protocol):
    (timer,) = loop.running
    for part in (b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"A: b\r\n"):
        protocol.data_received(part)
    assert loop.running == [timer]
    protocol.data_received(b"\r\n")
    assert loop.running == []
    assert loop.tasks == 1


def test_each_request_has_its_own_time(loop, protocol):
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /")
    assert [timer.seconds for timer in loop.running] == [30]


def test_a_lost_connection_leaves_no_timer(loop, protocol):
    protocol.connection_lost(None)
    assert loop.running == []


@pytest.mark.parametrize("part", [b"A: " + b"b" * 1000 + b"\r\n", b"b" * 1000], ids=["many headers", "one header"])
def test_a_head_without_end_is_refused(wire, protocol, part):
    protocol.data_received(b"GET / HTTP/1.1\r\nA: ")
    for _ in range(70):
        protocol.data_received(part)
        if wire.closed:
            break
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert wire.closed


def test_a_long_body_is_no_head(wire, protocol):
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
    for _ in range(70):
        protocol.data_received(b"b" * 1000)
    assert not wire.closed
