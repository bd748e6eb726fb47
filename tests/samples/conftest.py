"""The samples inside the test's own process: applications on loopback ports, and a registry in memory."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine

from examples.mcp.process import Server
from examples.mcp.registry.access import Tokens
from examples.mcp.registry.app import create_app
from examples.mcp.registry.store import Base, Store
from tests.samples.doubles import TOKENS, Ticking

Serve = Callable[..., Awaitable[str]]


@asynccontextmanager
async def _running(app: Any, stop: Callable[[], None]) -> AsyncIterator[str]:
    ready = asyncio.Event()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = Server(app, drain_seconds=5, on_ready=ready.set, on_stop=[stop])
        server.config.lifespan = "on"  # a start that fails is an error, not a sign that the app has none
        task = asyncio.create_task(server.serve([listening]))
        await asyncio.wait_for(ready.wait(), 10)
        try:
            yield url
        finally:
            server.should_exit = True
            await task


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """await serve(app, stop) -> the address on loopback at which it runs until the test ends."""
    async with AsyncExitStack() as stack:

        async def start(app: Any, stop: Callable[[], None] = lambda: None) -> str:
            return await stack.enter_async_context(_running(app, stop))

        yield start


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    """Two publishers."""
    file = tmp_path / "tokens"
    file.write_text(TOKENS)
    return Tokens.read(file)


@pytest.fixture
def registry_app(tokens: Tokens) -> Iterator[Any]:
    """An empty registry whose clock ticks at each look: in memory, or where REGISTRY_TEST_DATABASE_URL says."""
    store = Store(_emptied(os.environ.get("REGISTRY_TEST_DATABASE_URL", "sqlite://")), now=Ticking())
    yield create_app(store, tokens=tokens)
    store.close()


def _emptied(url: str) -> str:
    engine = create_engine(url)
    Base.metadata.drop_all(engine)
    engine.dispose()
    return url


@pytest.fixture
async def registry(registry_app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it, in process."""
    transport = httpx.ASGITransport(registry_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield client
