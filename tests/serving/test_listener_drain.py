"""Stopping: readiness fails first, serving goes on, and nobody is cut off."""

import asyncio
import signal

import httpx
import pytest

from app.errors import ConfigurationError
from app.serving.health import Drain, Health
from app.serving.listener import Listener
from app.serving.overload import InFlightLimit
from app.serving.status import Answer, reply
from app.settings import Settings
from app.snapshot import SnapshotStore
from tests.serving.access_service import serving

PLAIN = {"host": "127.0.0.1", "port": 0, "authentication": "none"}


async def well(scope, receive, send):
    await reply(send, Answer(200, b"{}"))


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x.test")


async def until(condition):
    """Waits for what another task is about to do."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_after_the_signal_readiness_fails_while_serving_goes_on(tmp_path):
    async with serving(tmp_path, SnapshotStore(), delay_seconds=3600) as service:
        async with service.client() as client:
            kept = await client.get("/livez")
            assert "connection" not in kept.headers
            service.listener.handle_exit(signal.SIGTERM, None)
            ready = await client.get("/readyz")
            assert ready.status_code == 503
            assert "[-]not-draining failed" in ready.text
            assert (await client.get("/livez")).status_code == 200
        await until(lambda: service.listener._ends_at is not None)
        async with service.client() as client:
            answer = await client.get("/livez")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_the_listener_ends_after_the_delay(tmp_path):
    listener = Listener(well, Settings(**PLAIN, shutdown_delay_seconds=0), tls=None, drain=Drain())
    running = asyncio.ensure_future(listener.serve())
    await until(lambda: listener.started)
    listener.handle_exit(signal.SIGTERM, None)
    await asyncio.wait_for(running, 10)


async def test_a_second_signal_ends_the_delay():
    listener = Listener(well, Settings(**PLAIN, shutdown_delay_seconds=3600), tls=None, drain=Drain())
    running = asyncio.ensure_future(listener.serve())
    await until(lambda: listener.started)
    listener.handle_exit(signal.SIGTERM, None)
    listener.handle_exit(signal.SIGINT, None)
    await asyncio.wait_for(running, 10)


async def test_a_request_at_work_is_answered_before_the_end():
    begun, gate, port = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop().create_future()

    async def slow(scope, receive, send):
        if scope["type"] == "http":
            begun.set()
            await gate.wait()
        await well(scope, receive, send)

    listener = Listener(
        slow,
        Settings(**PLAIN, shutdown_delay_seconds=0),
        tls=None,
        drain=Drain(),
        on_listening=lambda host, number: port.set_result(number),
    )
    running = asyncio.ensure_future(listener.serve())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await port}", trust_env=False) as client:
        asking = asyncio.ensure_future(client.get("/"))
        await begun.wait()
        listener.handle_exit(signal.SIGTERM, None)
        await until(lambda: not listener.servers[0].is_serving())
        gate.set()
        assert (await asking).status_code == 200
    await asyncio.wait_for(running, 10)


async def test_the_listener_dies_with_a_background_task():
    async def dying():
        raise OSError("no more files")

    listener = Listener(well, Settings(**PLAIN), tls=None, drain=Drain(), background=[dying])
    with pytest.raises(OSError, match="no more files"):
        await asyncio.wait_for(listener.serve(), 10)


def test_running_returns_after_a_clean_stop():
    drain = Drain(draining=True)
    Listener(well, Settings(**PLAIN, shutdown_delay_seconds=0), tls=None, drain=drain).run_until_stopped()


def test_plain_http_is_only_for_loopback_without_authentication(tmp_path):
    delegated = Settings(host="127.0.0.1", tls_cert_file=tmp_path / "a", tls_key_file=tmp_path / "b")
    with pytest.raises(ConfigurationError, match="plain HTTP"):
        Listener(well, delegated, tls=None, drain=Drain())


async def test_readiness_names_what_is_missing():
    ready = {"access": True, "snapshot": False}
    checks = {name: lambda name=name: ready[name] for name in ready}
    async with client_of(Health(well, checks=checks, drain=Drain())) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.text == "[+]access ok\n[-]snapshot failed\n[+]not-draining ok\nreadyz check failed\n"
        assert (await client.get("/livez")).text == "ok"
        ready["snapshot"] = True
        assert (await client.get("/readyz")).text == "ok"
        assert (await client.get("/readyz?verbose")).text.endswith("readyz check passed\n")
        assert (await client.head("/healthz")).content == b""
        assert (await client.post("/healthz")).status_code == 405


async def test_a_flood_is_told_to_come_back_but_probes_are_answered():
    gate = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def slow(scope, receive, send):
        if scope["path"] != "/livez":
            begun.release()
            await gate.wait()
        await well(scope, receive, send)

    async with client_of(InFlightLimit(slow, limit=2)) as client:
        asking = [asyncio.ensure_future(client.get("/a")) for _ in range(2)]
        for _ in asking:
            await begun.acquire()
        refused = await client.get("/a")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["reason"] == "TooManyRequests"
        assert (await client.get("/livez")).status_code == 200
        gate.set()
        assert [answer.status_code for answer in await asyncio.gather(*asking)] == [200, 200]
        assert (await client.get("/a")).status_code == 200
