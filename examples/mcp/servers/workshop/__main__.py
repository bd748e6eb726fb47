"""`python -m examples.mcp.servers.workshop`: the workshop as a process."""

from typing import Annotated

import typer
from starlette.types import ASGIApp

from examples.mcp.process import LOOPBACK, DrainSeconds, Host, Listener, MetricsPort, Port
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
from examples.mcp.servers.workshop.server import NAME, VERSION, create_app, create_server


def main(
    host: Host = LOOPBACK,
    port: Port = 0,
    metrics_port: MetricsPort = 0,
    drain_seconds: DrainSeconds = 60,
    replica: ReplicaName = "workshop-0",
    allowed_host: AllowedHosts = [],  # noqa: B006 - typer's way to say repeatable
    state_key_file: StateKeyFile = None,
    registry_url: RegistryUrl = None,
    registry_token_file: RegistryTokenFile = None,
    public_url: PublicUrl = None,
    session_idle_seconds: Annotated[
        float, typer.Option(min=1, help="After which a session without a request ends.")
    ] = 1800,
) -> None:
    """Serve the workshop over MCP: sessions, long calls with progress, failures on demand."""
    listener = Listener("mcp-workshop", host, port, metrics_port, drain_seconds, path="/mcp")
    who = Replica.of(replica, allowed_host, state_key_file)
    streams = Streams()

    def build() -> ASGIApp:
        listing = Listing(
            NAME,
            "Workshop",
            "Makes parts of steel; long calls with progress, sessions with a bench.",
            VERSION,
            public_url or listener.url,
        )
        server = create_server(
            who,
            streams,
            registry=registry_client(registry_url, registry_token_file),
            listing=listing if registry_token_file is not None else None,
        )
        return create_app(server, who, streams, session_idle_seconds=session_idle_seconds)

    listener.run(build, on_stop=[streams.close])


if __name__ == "__main__":
    typer.run(main)
