"""A client and a server of the SDK that talk over real HTTP, both instrumented."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.client import Client

import tracing
from tests.telemetry.loopback import Recorder, listening, weather_server
from tracing.mcp.instruments import TROUBLE


@asynccontextmanager
async def calling(recorder: Recorder, mode: str, server: Any = None, **app_options: Any) -> AsyncIterator[Client]:
    """A client of `server` (the weather's, if none is given), entered. Fails if the instrumentation had any trouble."""
    server = weather_server() if server is None else server
    tracing.instrument(server, **recorder.providers)
    before = TROUBLE.count
    async with listening(server.streamable_http_app(**app_options)) as url:
        client = Client(f"{url}/mcp", mode=mode)
        tracing.instrument_client(client, **recorder.providers)
        async with client:
            yield client
    assert TROUBLE.count == before
