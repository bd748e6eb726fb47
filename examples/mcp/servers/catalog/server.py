"""The catalogue's tools."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

import tracing
from examples.mcp import telemetry
from examples.mcp.registry.client import RegistryClient
from examples.mcp.servers.catalog import items, units
from examples.mcp.servers.catalog.ordering import Sku, add_ordering
from examples.mcp.servers.hosting import Replica, Streams, add_health
from examples.mcp.servers.listing import Listing, listed

NAME = "io.forescale.examples/catalog"
VERSION = "1.0.0"


class Items(BaseModel):
    """Answer of `search`."""

    items: list[items.Item]


class Converted(BaseModel):
    """Answer of `convert`."""

    value: float
    unit: str


class Server(BaseModel):
    """A line of `find_servers`."""

    name: str
    description: str
    url: str


class Servers(BaseModel):
    """Answer of `find_servers`."""

    servers: list[Server]


def create_server(
    replica: Replica, *, registry: RegistryClient | None = None, listing: Listing | None = None
) -> MCPServer[Any]:
    """The MCP server, instrumented."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[dict[str, Any]]:
        async with listed(registry, listing):
            yield {}

    server: MCPServer[Any] = MCPServer(
        NAME,
        title="Catalogue",
        version=VERSION,
        instructions="Search the catalogue of screws, look an article up, convert units, find other servers.",
        lifespan=lifespan,
        log_level="WARNING",
        request_state_security=replica.state_security,
    )
    tracing.instrument(server)
    add_health(server)
    _add_catalogue(server)
    add_ordering(server)
    _add_surroundings(server, replica, registry)
    return server


def create_app(server: MCPServer[Any], replica: Replica, streams: Streams) -> ASGIApp:
    """The ASGI application: JSON answers, no sessions for legacy clients either."""
    server.middleware.append(streams.middleware)
    app = server.streamable_http_app(
        json_response=True, stateless_http=True, transport_security=replica.transport_security
    )
    return streams.wrap(app)


def _add_catalogue(server: MCPServer[Any]) -> None:
    @server.tool()
    async def search(
        words: Annotated[str, Field(description="Words to look for, such as 'M6x20 stainless'.", max_length=200)],
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
    ) -> Items:
        """Search the catalogue; the best matches come first."""
        with telemetry.tracer.start_as_current_span("catalog.rank") as span:
            found = items.search(words, limit=limit)
            span.set_attributes({"catalog.searched": len(items.items()), "catalog.found": len(found)})
        return Items(items=found)

    @server.tool()
    async def lookup(sku: Sku) -> items.Item:
        """Look one article up."""
        found = items.lookup(sku)
        if found is None:
            raise ToolError(f"there is no article {sku}; search for it")
        return found

    @server.tool()
    async def convert(value: float, given: str, wanted: str) -> Converted:
        """Convert a length or a mass from the given unit to the wanted one."""
        try:
            return Converted(value=units.convert(value, given=given, wanted=wanted), unit=wanted)
        except ValueError as error:
            raise ToolError(str(error)) from error


def _add_surroundings(server: MCPServer[Any], replica: Replica, registry: RegistryClient | None) -> None:
    @server.tool()
    async def whoami() -> str:
        """The name of the replica that answers."""
        return replica.name

    @server.tool()
    async def find_servers(words: Annotated[str, Field(max_length=200)]) -> Servers:
        """Ask the registry for MCP servers."""
        if registry is None:
            raise ToolError("this server was started without a registry")
        try:
            found = await registry.find(words, limit=10)
        except httpx.HTTPError as error:
            raise ToolError("the registry does not answer; try again later") from error
        return Servers(servers=[Server(name=one.name, description=one.description, url=one.url) for one in found])
