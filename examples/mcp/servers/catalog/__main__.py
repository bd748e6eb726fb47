"""`python -m examples.mcp.servers.catalog`: the catalogue as a process."""

import typer
from starlette.types import ASGIApp

from examples.mcp.process import LOOPBACK, DrainSeconds, Host, Listener, MetricsPort, Port
from examples.mcp.servers.catalog.server import NAME, VERSION, create_app, create_server
from examples.mcp.servers.hosting import Replica, Streams
from examples.mcp.servers.listing import Listing, registry_client
from examples.mcp.servers.options import (
    AllowedHosts,
    PublicUrl,
    RegistryTokenFile,
    RegistryUrl,
    ReplicaName,
    StateKeyFile,
)


def main(
    host: Host = LOOPBACK,
    port: Port = 0,
    metrics_port: MetricsPort = 0,
    drain_seconds: DrainSeconds = 15,
    replica: ReplicaName = "catalog-0",
    allowed_host: AllowedHosts = [],  # noqa: B006 - typer's way to say repeatable
    state_key_file: StateKeyFile = None,
    registry_url: RegistryUrl = None,
    registry_token_file: RegistryTokenFile = None,
    public_url: PublicUrl = None,
) -> None:
    """Serve the catalogue of screws over MCP: stateless, fast tools."""
    listener = Listener("mcp-catalog", host, port, metrics_port, drain_seconds, path="/mcp")
    who = Replica.of(replica, allowed_host, state_key_file)
    streams = Streams()

    def build() -> ASGIApp:
        listing = Listing(
            NAME, "Catalogue", "Screws: search, look up, convert units.", VERSION, public_url or listener.url
        )
        server = create_server(
            who,
            registry=registry_client(registry_url, registry_token_file),
            listing=listing if registry_token_file is not None else None,
        )
        return create_app(server, who, streams)

    listener.run(build, on_stop=[streams.close])


if __name__ == "__main__":
    typer.run(main)
