"""`python -m examples.mcp.registry`: the registry as a process."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from starlette.types import ASGIApp

from examples.mcp.process import LOOPBACK, DrainSeconds, Host, Listener, MetricsPort, Port
from examples.mcp.registry.access import Tokens
from examples.mcp.registry.app import create_app
from examples.mcp.registry.documents import ServerJson
from examples.mcp.registry.store import RefusedError, Store


def main(
    host: Host = LOOPBACK,
    port: Port = 0,
    metrics_port: MetricsPort = 0,
    drain_seconds: DrainSeconds = 15,
    database_url: Annotated[
        str, typer.Option(help="SQLAlchemy's URL: sqlite:///registry.db, postgresql+psycopg://...; default: in memory.")
    ] = "sqlite://",
    token_file: Annotated[
        Path | None, typer.Option(help="Lines `TOKEN PATTERN-OF-NAMES`; without it nothing can be published.")
    ] = None,
    seed: Annotated[Path | None, typer.Option(help="JSON list of server.json documents, added where missing.")] = None,
) -> None:
    """Serve the MCP registry API v0.1."""
    listener = Listener("mcp-registry", host, port, metrics_port, drain_seconds)

    def build() -> ASGIApp:
        store = Store(database_url)
        for document in json.loads(seed.read_text()) if seed is not None else []:
            _add(store, ServerJson.model_validate(document))
        return create_app(store, tokens=Tokens.read(token_file))

    listener.run(build)


def _add(store: Store, document: ServerJson) -> None:
    try:
        store.publish(document)
    except RefusedError as refused:
        print(f"not seeded: {document.name} {document.version}: {refused}", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
