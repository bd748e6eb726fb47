"""The whole stack on a loopback port over TLS, with a stand-in for kube-apiserver and a door that tells who it sees."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
from prometheus_client import CollectorRegistry

from app.serving.access.authentication import DelegatedAuthenticator
from app.serving.access.authorization import DelegatedAuthorizer
from app.serving.access.control import AccessControl
from app.serving.access.trust import TrustKeeper
from app.serving.external_metrics.routes import ExternalMetrics
from app.serving.health import Drain, Health
from app.serving.instruments import Instruments, Measured
from app.serving.listener import Listener
from app.serving.overload import InFlightLimit
from app.serving.status import Answer, reply
from app.serving.tls import ServingTls
from app.settings import Settings
from app.snapshot import SnapshotStore
from tests.serving.access_authorities import SERVER, Issued, authority, issue
from tests.serving.access_doubles import FakeReviews, HandClock, requestheader_config


async def tell(scope, receive, send):
    """A door that answers with what it is told of the caller."""
    user = scope["user"]
    seen = {
        "name": user.name,
        "uid": user.uid,
        "groups": user.groups,
        "extra": dict(user.extra),
        "headers": [key.decode() for key, _ in scope["headers"]],
    }
    await reply(send, Answer(200, orjson.dumps(seen)))


async def unpaused(seconds: float) -> None:
    """Instead of a pause: lets others run."""
    await asyncio.sleep(0)


async def forever(seconds: float) -> None:
    """A pause that outlasts the test."""
    await asyncio.Event().wait()


@dataclass
class Authorities:
    """CAs and the serving certificate of one test."""

    folder: Path
    serving_ca: Issued = field(default_factory=lambda: authority("serving-ca"))
    client_ca: Issued = field(default_factory=lambda: authority("client-ca"))
    proxy_ca: Issued = field(default_factory=lambda: authority("proxy-ca"))
    served: int = 0

    def serve(self, *, by: Issued | None = None) -> tuple[Path, Path]:
        """Writes a new serving certificate; returns its paths, which stay the same."""
        return issue("localhost", by=by or self.serving_ca, usages=(SERVER,)).write(self.folder, "serving")

    def identify(self, issued: Issued) -> tuple[str, str]:
        """Files for a client that shows `issued`."""
        self.served += 1
        certificate, key = issued.write(self.folder, f"client-{self.served}")
        return str(certificate), str(key)


@dataclass
class Service:
    """What a test holds of the running stack."""

    port: int
    authorities: Authorities
    reviews: FakeReviews
    keeper: TrustKeeper
    tls: ServingTls
    listener: Listener
    store: SnapshotStore
    registry: CollectorRegistry
    drain: Drain

    def client(self, shown: Issued | None = None, *, serving_ca: Issued | None = None, **options: Any):
        """A client that trusts the serving CA and shows a certificate, if any."""
        context = ssl.create_default_context(cadata=(serving_ca or self.authorities.serving_ca).pem)
        if shown is not None:
            context.load_cert_chain(*self.authorities.identify(shown))
        address = f"https://127.0.0.1:{self.port}"
        return httpx.AsyncClient(verify=context, base_url=address, trust_env=False, **options)

    async def tells(self, shown: Issued | None = None, headers: Any = None) -> httpx.Response:
        """One request of a new connection to the telling door."""
        async with self.client(shown) as client:
            return await client.get("/whoami", headers=headers)


@asynccontextmanager
async def serving(folder: Path, store: SnapshotStore, *, delay_seconds: float = 0) -> AsyncIterator[Service]:
    """The stack, ready."""
    authorities = Authorities(folder)
    config = requestheader_config(client_ca=authorities.client_ca.pem, proxy_ca=authorities.proxy_ca.pem)
    reviews = FakeReviews(config)
    clock, registry, drain = HandClock(datetime.now(UTC).timestamp()), CollectorRegistry(), Drain()
    certificate, key = authorities.serve()
    tls = ServingTls(certificate, key, sleep=forever)
    keeper = TrustKeeper(reviews, on_change=lambda trust: tls.trust(trust.bundles), sleep=unpaused)
    instruments = Instruments(registry)
    settings = Settings(
        host="127.0.0.1", port=0, tls_cert_file=certificate, tls_key_file=key, shutdown_delay_seconds=delay_seconds
    )
    doors = ExternalMetrics(store, clock=clock, instruments=instruments, version="0.1.0", otherwise=tell)
    guarded = AccessControl(
        Health(doors, checks={"access": keeper.ready}, drain=drain),
        authenticator=DelegatedAuthenticator(reviews, trust=lambda: keeper.trust, clock=clock, instruments=instruments),
        authorizer=DelegatedAuthorizer(
            reviews, clock=clock, allow_seconds=60, deny_seconds=10, instruments=instruments
        ),
    )
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    listener = Listener(
        Measured(InFlightLimit(guarded), instruments=instruments),
        settings,
        tls=tls.context,
        drain=drain,
        background=[tls.follow],
        on_listening=lambda host, number: port.set_result(number),
    )
    await keeper.refresh()
    running = asyncio.ensure_future(listener.serve())
    await asyncio.wait([running, port], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield Service(await port, authorities, reviews, keeper, tls, listener, store, registry, drain)
    finally:
        listener.should_exit = True
        await running
