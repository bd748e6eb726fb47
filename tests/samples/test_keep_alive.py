"""Who hangs up first: never a server, because its caller's next request may be on its way."""

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.samples.conftest import Serve

ENVOYS_DEFAULT_SECONDS = 3600


def answering() -> Starlette:
    async def answer(request: object) -> PlainTextResponse:
        return PlainTextResponse("here")

    return Starlette(routes=[Route("/", answer)])


async def put_forward(seconds: float) -> None:
    """The event loop's clock, until the test and its loop end: what waited for less than that has happened."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + seconds  # type: ignore[method-assign]
    for _ in range(3):  # timers that are due, then what they have closed
        await asyncio.sleep(0)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    return head.splitlines()[0] + b" " + await reader.readexactly(4)


async def test_an_idle_connection_is_kept_for_longer_than_any_proxy_keeps_it(serve: Serve) -> None:
    url = httpx.URL(await serve(answering()))
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        for idle_seconds in (0, ENVOYS_DEFAULT_SECONDS):
            await put_forward(idle_seconds)
            assert await ask(reader, writer) == b"HTTP/1.1 200 OK here"
    finally:
        writer.close()
