"""Certificate authorities and certificates for tests, made anew for each run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH


def _name(common_name: str, organizations: tuple[str, ...] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and the intermediates that lead to its authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    between: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        """Certificate and intermediates."""
        return "".join(part.public_bytes(Encoding.PEM).decode() for part in (self.certificate, *self.between))

    @property
    def key_pem(self) -> str:
        """The key, not encrypted."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def der(self) -> list[bytes]:
        """The chain, leaf first."""
        return [part.public_bytes(Encoding.DER) for part in (self.certificate, *self.between)]

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Writes both files; returns the certificate's and the key's path."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_text(self.pem)
        key.write_text(self.key_pem)
        return certificate, key


def issue(
    common_name: str,
    *,
    by: Issued | None = None,
    organizations: tuple[str, ...] = (),
    usages: tuple[x509.ObjectIdentifier, ...] | None = (CLIENT,),
    authority: bool = False,
    days: tuple[float, float] = (-1, 30),
    signs: bool | None = None,
) -> Issued:
    """A certificate signed by `by`, or by itself. days: validity from now. signs: as its key usage says."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    issuer = by.certificate.subject if by else _name(common_name, organizations)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name, organizations))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if usages is not None and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if signs is not None:
        others = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
        others |= dict.fromkeys(("crl_sign", "encipher_only", "decipher_only"), False)
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=signs, **others)
        builder = builder.add_extension(usage, critical=True)
    if usages == (SERVER,):
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    between = (
        (by.certificate, *by.between) if by is not None and by.certificate.issuer != by.certificate.subject else ()
    )
    return Issued(builder.sign(by.key if by else key, SHA256()), key, between)


def authority(name: str, *, by: Issued | None = None) -> Issued:
    """A CA."""
    return issue(name, by=by, authority=True)
