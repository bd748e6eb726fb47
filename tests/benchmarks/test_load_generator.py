"""The load generator does not hide a stall, and what it cannot get an answer for it counts."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.authority import Authority
from benchmarks.load import Generator, Plan

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(folder: Path, answer: Answer) -> AsyncIterator[Plan]:
    """Calls answer(number of the request, writer) for each request; gives a plan of 20 requests within 0.2 s."""
    authority = Authority("ca", folder)
    serving, client = authority.issue("serving", server=True), authority.issue("client", server=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(serving.cert, serving.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    seen = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                seen += 1
                await answer(seen, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        files = {"ca_file": str(authority.file), "cert_file": str(client.cert), "key_file": str(client.key)}
        yield Plan(
            "127.0.0.1",
            port,
            **files,
            headers={"X-A": "b"},
            paths=["/x"],
            rate=100,
            seconds=0.2,
            warm_up_seconds=0,
            connections=1,
        )


async def test_every_request_is_answered_and_counted_by_its_status(tmp_path: Path) -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(OK if number % 2 else OK.replace(b"200 OK", b"503 No"))

    async with server(tmp_path, answer) as plan:
        result = await Generator(plan).run()
    assert result.statuses == {"200": 10, "503": 10}
    assert result.failures == 0
    assert result.answered_rate == result.asked_rate


async def test_requests_that_were_due_during_a_stall_are_slow_although_they_had_to_wait_to_be_sent(
    tmp_path: Path,
) -> None:
    stall_seconds = 0.3  # longer than the whole plan: all but the first wait for the only connection

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 1:
            await asyncio.sleep(stall_seconds)
        writer.write(OK)

    async with server(tmp_path, answer) as plan:
        result = await Generator(plan).run()
    assert result.statuses == {"200": 20}
    assert result.p50_ms >= (stall_seconds - plan.seconds / 2) * 1000 - 20


async def test_an_answer_in_pieces_is_one_answer(tmp_path: Path) -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        for piece in (OK[:9], OK[9:-1], OK[-1:]):
            writer.write(piece)
            await asyncio.sleep(0.003)  # so that they arrive one by one

    async with server(tmp_path, answer) as plan:
        result = await Generator(plan).run()
    assert result.statuses == {"200": 20}


async def test_requests_on_a_connection_that_the_server_closes_are_failures_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 3:
            writer.close()
        else:
            writer.write(OK)

    async with server(tmp_path, answer) as plan:
        result = await Generator(plan).run()
    assert result.failures == 1
    assert result.statuses == {"200": 19}
