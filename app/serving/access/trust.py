"""Whom to trust, as kube-apiserver publishes it: kept up to date while running, because its CAs rotate."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.serving.access.certificates import TrustBundle
from app.serving.access.requestheader import IdentityHeaders
from app.serving.access.reviews import AccessReviews, AuthenticationConfig, ReviewFailed
from app.telemetry import shortened

_log = logging.getLogger(__name__)
_LOOK_AGAIN_SECONDS = 60.0
_PAUSE_SECONDS = 1.0  # between two reads, however often the object changes
_BACK_OFF_LIMIT_SECONDS = 30.0


@dataclass(frozen=True)
class Trust:
    """One published configuration, parsed. A bundle that is not configured is None and vouches for nobody."""

    version: str
    clients: TrustBundle | None
    proxies: TrustBundle | None
    proxy_names: frozenset[str]
    identity: IdentityHeaders

    @classmethod
    def of(cls, config: AuthenticationConfig) -> "Trust":
        """Raises ValueError for a bundle that is not PEM."""
        return cls(
            version=config.version,
            clients=TrustBundle(config.client_ca) if config.client_ca.strip() else None,
            proxies=TrustBundle(config.requestheader_ca) if config.requestheader_ca.strip() else None,
            proxy_names=frozenset(config.allowed_names),
            identity=IdentityHeaders(config),
        )

    @property
    def bundles(self) -> tuple[str, ...]:
        """Both CA bundles as PEM, for the TLS handshake."""
        return tuple(bundle.pem for bundle in (self.clients, self.proxies) if bundle is not None)


class TrustKeeper:
    """Holds the newest Trust that could be read; trouble keeps the last one."""

    def __init__(
        self,
        reviews: AccessReviews,
        *,
        on_change: Callable[[Trust], None] = lambda trust: None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._reviews = reviews
        self._on_change = on_change
        self._sleep = sleep
        self._trust: Trust | None = None

    @property
    def trust(self) -> Trust | None:
        """None until the first read."""
        return self._trust

    def ready(self) -> bool:
        """Whether callers can be told apart."""
        return self._trust is not None

    async def refresh(self) -> None:
        """Reads once. Raises ReviewFailed or ValueError, and then keeps what it had."""
        config = await self._reviews.authentication_config()
        if self._trust is not None and config.version and config.version == self._trust.version:
            return
        trust = Trust.of(config)
        if trust.proxies is None:
            _log.warning("no requestheader-client-ca-file is published: the aggregator cannot pass on who asks")
        self._on_change(trust)
        self._trust = trust
        _log.info("trusting client CAs of version %s", config.version or "?")

    async def follow(self) -> None:
        """Reads now, then whenever the object changes and at the latest every minute. Ends only when cancelled."""
        failures = 0
        while True:
            try:
                await self.refresh()
                assert self._trust is not None
                await self._reviews.configuration_changed(self._trust.version, seconds=_LOOK_AGAIN_SECONDS)
                failures = 0
            except (ReviewFailed, ValueError) as error:
                failures += 1
                _log.warning("whom to trust could not be read: %s", shortened(str(error)))
            await self._sleep(min(_PAUSE_SECONDS * 2 ** min(failures, 10), _BACK_OFF_LIMIT_SECONDS))
