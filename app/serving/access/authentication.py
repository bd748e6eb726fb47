"""Who asks: front proxy, then client certificate, then bearer token, then nobody.

The methods form a union as in kube-apiserver: one that fails does not stop the next, but if none succeeds and any
failed, the caller is refused rather than taken for anonymous.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

from app.clock import Clock
from app.serving.access.certificates import NotTrusted, PeerChain
from app.serving.access.identity import User, anonymous_user
from app.serving.access.remembering import Kept, Remembered
from app.serving.access.requestheader import BadIdentityHeader, IdentityHeaders, RawHeaders
from app.serving.access.reviews import AccessReviews, AuthenticationConfig, ReviewFailed
from app.serving.access.trust import Trust
from app.serving.instruments import Instruments
from app.serving.status import Refusal
from app.telemetry import shortened

_log = logging.getLogger(__name__)
_TOKEN_SECONDS = 10.0
_BAD_TOKEN_SECONDS = 2.0  # so that a client with an old token does not become a stream of reviews


class NotBelieved(Exception):
    """A credential was shown and is not good."""


class Authenticator(Protocol):
    """How the access control finds out who asks."""

    async def authenticate(self, headers: RawHeaders, chain: PeerChain | None) -> User:
        """The caller. Raises Refusal with 401."""

    def harmless(self, headers: RawHeaders) -> RawHeaders:
        """The headers without any credential or claim of identity."""


class DelegatedAuthenticator:
    """Believes what kube-apiserver says is to be believed. `trust` gives the newest configuration."""

    def __init__(
        self,
        reviews: AccessReviews,
        *,
        trust: Callable[[], Trust | None],
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._reviews = reviews
        self._trust = trust
        self._clock = clock
        self._counter = instruments.authentications
        self._unconfigured = IdentityHeaders(AuthenticationConfig())
        self._key = secrets.token_bytes(32)
        self._tokens: Remembered[bytes, tuple[User | None]] = Remembered(clock=clock, size=4096)

    async def authenticate(self, headers: RawHeaders, chain: PeerChain | None) -> User:
        """See Authenticator."""
        failures: list[str] = []
        for method, attempt in self._methods(headers, chain):
            try:
                user = await attempt()
            except (NotBelieved, NotTrusted, BadIdentityHeader, ReviewFailed) as error:
                failures.append(f"{method}: {shortened(str(error))}")
                self._counter.labels(method, "failure").inc()
                continue
            if user is not None:
                self._counter.labels(method, "success").inc()
                return user.with_authenticated_group()
        if failures:
            _log.info("nobody is believed: %s", "; ".join(failures))
            raise Refusal(401, "Unauthorized")
        self._counter.labels("anonymous", "success").inc()
        return anonymous_user()

    def harmless(self, headers: RawHeaders) -> RawHeaders:
        """See Authenticator."""
        trust = self._trust()
        identity = trust.identity if trust is not None else self._unconfigured
        return [header for header in identity.without(headers) if header[0] != b"authorization"]

    def _methods(
        self, headers: RawHeaders, chain: PeerChain | None
    ) -> list[tuple[str, Callable[[], Awaitable[User | None]]]]:
        async def by_proxy() -> User | None:
            return self._by_proxy(headers, chain)

        async def by_certificate() -> User | None:
            return self._by_certificate(chain)

        async def by_token() -> User | None:
            return await self._by_token(headers)

        return [("front_proxy", by_proxy), ("certificate", by_certificate), ("token", by_token)]

    def _by_proxy(self, headers: RawHeaders, chain: PeerChain | None) -> User | None:
        trust = self._trust()
        if chain is None or trust is None or trust.proxies is None:
            return None
        subject = trust.proxies.subject(chain, now=self._clock.now())
        if trust.proxy_names and subject.common_name not in trust.proxy_names:
            raise NotBelieved(f"{subject.common_name!r} is not among the allowed names of front proxies")
        return trust.identity.user(headers)

    def _by_certificate(self, chain: PeerChain | None) -> User | None:
        trust = self._trust()
        if chain is None or trust is None or trust.clients is None:
            return None
        subject = trust.clients.subject(chain, now=self._clock.now())
        return User(subject.common_name, groups=subject.organizations) if subject.common_name else None

    async def _by_token(self, headers: RawHeaders) -> User | None:
        token = _bearer(headers)
        if not token:
            return None
        key = hmac.digest(self._key, token.encode(), hashlib.sha256)
        (user,) = await self._tokens.get(key, lambda: self._review(token))
        if user is None:
            raise NotBelieved("the token is nobody's")
        return user

    async def _review(self, token: str) -> Kept[tuple[User | None]]:
        user = await self._reviews.review_token(token)
        return Kept((user,), _TOKEN_SECONDS if user is not None else _BAD_TOKEN_SECONDS)


def _bearer(headers: RawHeaders) -> str:
    """The token of the first Authorization header; "" if there is none of this kind."""
    value = next((value for key, value in headers if key == b"authorization"), b"").decode("latin-1")
    scheme, _, token = value.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
