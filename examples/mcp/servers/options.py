"""Options that both servers have on the command line."""

from pathlib import Path
from typing import Annotated

import typer

ReplicaName = Annotated[str, typer.Option(envvar="POD_NAME", help="What `whoami` answers.")]
AllowedHosts = Annotated[list[str], typer.Option(help="Host under which clients call, beside loopback; repeatable.")]
StateKeyFile = Annotated[
    Path | None, typer.Option(help="Key of request state, 32 bytes or more, the same on all replicas.")
]
RegistryUrl = Annotated[
    str | None, typer.Option(envvar="MCP_REGISTRY_URL", help="Registry to ask and to be listed in.")
]
RegistryTokenFile = Annotated[
    Path | None, typer.Option(help="Token to be listed with; without it the server is not listed.")
]
PublicUrl = Annotated[str | None, typer.Option(help="URL that is listed; default: where it listens.")]
