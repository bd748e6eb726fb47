"""TLS that is replaced while it runs: serving certificate, key and the CAs of clients all rotate."""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509

from app.errors import ConfigurationError

_log = logging.getLogger(__name__)
_LOOK_AGAIN_SECONDS = 10.0


class ReloadingContext(ssl.SSLContext):
    """A server context that hands each new connection to the newest one; open connections keep theirs.

    Event loops only want an SSLContext and call wrap_bio; both asyncio's and uvloop's do.
    """

    _current: ssl.SSLContext

    def __new__(cls, current: ssl.SSLContext) -> "ReloadingContext":
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, current: ssl.SSLContext) -> None:
        self._current = current

    def replace(self, current: ssl.SSLContext) -> None:
        """From the next connection on."""
        self._current = current

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """As SSLContext.wrap_bio, by the newest context."""
        return self._current.wrap_bio(*args, **options)


class ServingTls:
    """The context that serves `cert_file` and `key_file` and asks clients for a certificate of `trust`'s CAs.

    A certificate is asked for, not demanded: probes and bearers of tokens have none. One of an unknown CA, or an
    expired one, fails the handshake; which of the CAs signed it is looked at again for each request.
    """

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Raises ConfigurationError if the files cannot be used."""
        self._cert_file = cert_file
        self._key_file = key_file
        self._sleep = sleep
        self._bundles: tuple[str, ...] = ()
        try:
            self._digest = self._read_digest()
            self.context = ReloadingContext(self._made())
            self._ends_s = self._end()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{cert_file} and {key_file} cannot be served with: {error}") from error

    @property
    def ends_s(self) -> float:
        """Unix seconds at which the served certificate ends, or the first of those that lead to its CA."""
        return self._ends_s

    def trust(self, bundles: Sequence[str]) -> None:
        """Accepts client certificates of these CA bundles (PEM) from now on. Raises ValueError for a broken one."""
        before = self._bundles
        self._bundles = tuple(bundles)
        try:
            self.context.replace(self._made())
        except (OSError, ValueError) as error:
            self._bundles = before
            raise ValueError(f"client CAs cannot be used: {error}") from error

    def reload(self) -> bool:
        """Loads the files if their content has changed; trouble (half written, not a pair) keeps what is served."""
        try:
            digest = self._read_digest()
            if digest == self._digest:
                return False
            made, ends_s = self._made(), self._end()
        except (OSError, ValueError) as error:
            _log.warning("the new serving certificate cannot be used, the old one serves on: %s", error)
            return False
        self.context.replace(made)
        self._digest, self._ends_s = digest, ends_s
        _log.info("serving certificate reloaded from %s", self._cert_file)
        return True

    async def follow(self) -> None:
        """Looks at the files every few seconds. Ends only when cancelled."""
        while True:
            await self._sleep(_LOOK_AGAIN_SECONDS)
            self.reload()

    def _read_digest(self) -> bytes:
        """By content, since mounted Secrets change behind a symlink and copies may keep their times."""
        return hashlib.sha256(self._cert_file.read_bytes() + b"\0" + self._key_file.read_bytes()).digest()

    def _end(self) -> float:
        chain = x509.load_pem_x509_certificates(self._cert_file.read_bytes())
        return min(one.not_valid_after_utc.timestamp() for one in chain)

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A resumed session no longer has the client's intermediate certificates, which are verified per request.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        # As in Go, each certificate of a bundle is an anchor, also one that is not self-signed.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_cert_chain(self._cert_file, self._key_file)
        for bundle in self._bundles:
            context.load_verify_locations(cadata=bundle)
        return context
