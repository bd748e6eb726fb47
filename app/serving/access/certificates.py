"""Client certificates: verifying a chain against one CA bundle, whatever else the TLS handshake accepted.

The handshake accepts both CA bundles, so who signed a certificate has to be found out again here: only the front
proxy's CA may vouch for identity headers, only the client CA for the certificate's own name.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from app.errors import AppError

_CLIENT_USAGES = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


class NotTrusted(AppError):
    """The chain does not lead to the bundle, or not now, or not for a client."""


@dataclass(frozen=True)
class PeerChain:
    """What the peer sent, leaf first, as DER; made once per connection."""

    certificates: tuple[bytes, ...]
    fingerprint: bytes

    @classmethod
    def of(cls, certificates: Sequence[bytes]) -> "PeerChain":
        """The chain with its fingerprint."""
        digest = hashlib.sha256()
        for certificate in certificates:
            digest.update(hashlib.sha256(certificate).digest())
        return cls(tuple(certificates), digest.digest())


@dataclass(frozen=True)
class Subject:
    """Who a verified leaf names, and until when all certificates of its chain hold (Unix seconds)."""

    common_name: str
    organizations: tuple[str, ...]
    not_before_s: float
    not_after_s: float


def _may_sign(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an issuer's key must not sign certificates")


def _for_clients(policy: Policy, certificate: x509.Certificate, usages: x509.ExtendedKeyUsage | None) -> None:
    if usages is not None and not _CLIENT_USAGES & set(usages):
        raise ValueError("the certificate is not for clients")


def _policies() -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """(issuers, leaf). Front-proxy certificates name nobody but a CN, so the web's rules do not fit them."""
    issuers = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)  # the verifier wants ca=true in it
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_clients)
    )
    leaf = ExtensionPolicy.permit_all().may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_clients)
    return issuers, leaf


class TrustBundle:
    """The CAs of one PEM bundle. Verdicts are remembered by chain, since a proxy shows the same one all day."""

    def __init__(self, pem: str, *, remembered: int = 256) -> None:
        """Raises ValueError if `pem` holds no certificate or a broken one."""
        anchors = x509.load_pem_x509_certificates(pem.encode())
        self.pem = "".join(anchor.public_bytes(Encoding.PEM).decode() for anchor in anchors)  # no comments
        self._store = Store(anchors)
        self._remembered = remembered
        self._verdicts: OrderedDict[bytes, Subject] = OrderedDict()

    def subject(self, chain: PeerChain, *, now: float) -> Subject:
        """The leaf's subject if the chain leads to this bundle at `now`. Raises NotTrusted."""
        held = self._verdicts.get(chain.fingerprint)
        if held is None:
            held = self._verified(chain, now)
            self._verdicts[chain.fingerprint] = held
            if len(self._verdicts) > self._remembered:
                self._verdicts.popitem(last=False)
        if not held.not_before_s <= now <= held.not_after_s:
            raise NotTrusted("the certificate or one of its issuers is not valid now")
        return held

    def _verified(self, chain: PeerChain, now: float) -> Subject:
        issuers, leaf = _policies()
        moment = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)  # the builder takes naive UTC
        builder = PolicyBuilder().store(self._store).time(moment)
        verifier = builder.extension_policies(ca_policy=issuers, ee_policy=leaf).build_client_verifier()
        try:
            first, *between = [x509.load_der_x509_certificate(der) for der in chain.certificates]
            return _subject(verifier.verify(first, between).chain)
        except (VerificationError, ValueError) as error:
            raise NotTrusted(f"the certificate is not trusted: {error}") from error


def _subject(chain: Sequence[x509.Certificate]) -> Subject:
    name = chain[0].subject
    names = [str(attribute.value) for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = [str(attribute.value) for attribute in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Subject(
        common_name=names[-1] if names else "",
        organizations=tuple(organizations),
        not_before_s=max(certificate.not_valid_before_utc.timestamp() for certificate in chain),
        not_after_s=min(certificate.not_valid_after_utc.timestamp() for certificate in chain),
    )
