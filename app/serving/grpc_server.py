"""What the doors that speak gRPC share: how they listen, end, show a certificate and refuse."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Never, Protocol

import grpc
import grpc.aio

log = logging.getLogger(__name__)

_GRACE_SECONDS = 2.0


class Context(Protocol):
    """What a handler needs of grpc.aio.ServicerContext."""

    async def abort(self, code: grpc.StatusCode, details: str) -> Never:
        """Ends the call."""


@dataclass(eq=False)  # not frozen: frameworks write the __traceback__ of what they caught
class NoAnswer(Exception):
    """Why there is none."""

    code: grpc.StatusCode
    text: str


@dataclass(frozen=True)
class Door:
    """Who listens where. add: puts its handlers into a server. credentials: None: in the clear."""

    name: str
    add: Callable[[Any], None]
    host: str
    port: int
    credentials: grpc.ServerCredentials | None
    concurrent: int
    largest_bytes: int


def serving(door: Callable[[], Door], on_listening: Callable[[int], None]) -> Callable[[], Any]:
    """A background task that serves until it is cancelled. door: asked for when it begins; its files are read then."""

    async def serve() -> None:
        one = door()
        server = grpc.aio.server(
            maximum_concurrent_rpcs=one.concurrent, options=[("grpc.max_receive_message_length", one.largest_bytes)]
        )
        one.add(server)
        address = f"{one.host}:{one.port}"
        if one.credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, one.credentials)
        await server.start()
        log.info("%s listens on port %d", one.name, port)
        on_listening(port)
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop(_GRACE_SECONDS)

    return serve


def read_anew(files: Callable[[], grpc.ServerCertificateConfiguration], *, mutual: bool) -> grpc.ServerCredentials:
    """Certificates that are read for each handshake. mutual: the client must have one as well."""
    return grpc.dynamic_ssl_server_credentials(files(), files, require_client_authentication=mutual)
