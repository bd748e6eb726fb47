"""How a server gets itself listed in the registry: at start, and again and again until the registry is there."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from examples.mcp.registry.client import RegistryClient

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Listing:
    """What is said about a server; `public_url` is where clients reach it."""

    name: str
    title: str
    description: str
    version: str
    public_url: str

    def document(self) -> dict[str, Any]:
        """server.json."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "version": self.version,
            "remotes": [{"type": "streamable-http", "url": self.public_url}],
        }


def registry_client(url: str | None, token_file: Path | None) -> RegistryClient | None:
    """None without a URL."""
    if url is None:
        return None
    return RegistryClient(url, token=None if token_file is None else token_file.read_text().strip())


@asynccontextmanager
async def listed(registry: RegistryClient | None, listing: Listing | None) -> AsyncIterator[None]:
    """Announces the listing once; if that fails, goes on trying while the server already works."""
    retry: asyncio.Task[None] | None = None
    if registry is not None and listing is not None and not await _announced(registry, listing):
        retry = asyncio.create_task(_until_announced(registry, listing))
    try:
        yield
    finally:
        if retry is not None:
            retry.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await retry
        if registry is not None:
            await registry.close()


async def _announced(registry: RegistryClient, listing: Listing) -> bool:
    try:
        await registry.announce(listing.document())
    except httpx.HTTPError as error:
        _log.warning("not listed in the registry yet: %s", error)
        return False
    return True


async def _until_announced(registry: RegistryClient, listing: Listing) -> None:
    while not await _announced(registry, listing):
        await asyncio.sleep(_RETRY_SECONDS)
