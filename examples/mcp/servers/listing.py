"""How a server gets itself listed in the registry, and stays so: the registry may start later, or lose what it had."""

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
_LOOK_SECONDS = 60.0  # a registry may have lost what it had


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
    """Announces the listing, and goes on looking after it while the server works; closes the client at the end."""
    keeping: asyncio.Task[None] | None = None
    if registry is not None and listing is not None:
        first = await _announced(registry, listing)
        keeping = asyncio.create_task(_kept(registry, listing, listed_already=first))
    try:
        yield
    finally:
        if keeping is not None:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
        if registry is not None:
            await registry.close()


async def _announced(registry: RegistryClient, listing: Listing) -> bool:
    try:
        await registry.announce(listing.document())
    except httpx.HTTPError as error:
        _log.warning("not listed in the registry: %s", error)
        return False
    return True


async def _kept(registry: RegistryClient, listing: Listing, *, listed_already: bool) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS if listed_already else _RETRY_SECONDS)
        listed_already = await _announced(registry, listing)
