"""A small certificate authority for one serving certificate. Pure: keys and serial numbers aside, time is passed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE = timedelta(days=3650)  # a new CA means a new caBundle, so it should be rare
SERVING_LIFE = timedelta(days=90)
_BACKDATED = timedelta(minutes=5)  # clocks of nodes differ
_ENCODING = serialization.Encoding.PEM


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    @property
    def parsed(self) -> x509.Certificate:
        """The certificate; raises ValueError if it is none."""
        return x509.load_pem_x509_certificate(self.certificate)

    def has_its_key(self) -> bool:
        """Whether `key` can be read and is the certificate's."""
        try:
            key = serialization.load_pem_private_key(self.key, password=None)
        except (ValueError, TypeError):
            return False
        return key.public_key() == self.parsed.public_key()


def new_authority(*, now: datetime) -> Issued:
    """A self-signed CA. Its name holds the day, so that verifiers can tell the old one from the new."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"forescale-ca {now:%Y-%m-%d %H:%M:%S}")])
    builder = (
        _builder(name, name, key.public_key(), now=now, life=CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Issued(builder.sign(key, hashes.SHA256()).public_bytes(_ENCODING), _pem(key))


def new_serving(authority: Issued, *, dns_names: Sequence[str], now: datetime) -> Issued:
    """A serving certificate for `dns_names`, signed by `authority`."""
    issuer, issuer_key = authority.parsed, serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise ValueError("the CA's key is not an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0])])
    builder = (
        _builder(name, issuer.subject, key.public_key(), now=now, life=SERVING_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in dns_names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    return Issued(builder.sign(issuer_key, hashes.SHA256()).public_bytes(_ENCODING), _pem(key))


def must_renew(certificate: x509.Certificate, *, now: datetime) -> bool:
    """Whether less than a third of the life is left (or it has not begun)."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now < begin or end - now < (end - begin) / 3


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether `authority` issued `certificate`."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def serves(certificate: x509.Certificate, dns_names: Sequence[str]) -> bool:
    """Whether the certificate is for all of `dns_names`."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return set(dns_names) <= set(names.get_values_for_type(x509.DNSName))


def utc(unix_s: float) -> datetime:
    """Unix seconds as the aware datetime that certificates are compared with."""
    return datetime.fromtimestamp(int(unix_s), UTC)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_ENCODING, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
