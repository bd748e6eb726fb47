"""Credentials come from files that may change at any time; trust is never switched off."""

import base64
import ipaddress
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.errors import ConfigurationError, SourceRefused, SourceUnavailable
from app.sources.answers import disconnection
from tests.sources.conftest import MakeRig, Rig
from tests.sources.fake_store import Asked, FakeStore, Reply, failure, ramp


def ask(rig: Rig) -> None:
    rig.source.range("up", start_s=0, end_s=60, step_seconds=60)


def header(store: FakeStore, name: str = "Authorization") -> str | None:
    """Of the last request."""
    return store.asked[-1].headers.get(name)


def guarded(token: str) -> object:
    """A store that only knows one token."""

    def answer(asked: Asked) -> Reply:
        return ramp(asked) if asked.headers.get("Authorization") == f"Bearer {token}" else failure(401, "unauthorized")

    return answer


def test_without_credentials_nothing_is_sent(store: FakeStore, rig: Rig) -> None:
    ask(rig)
    assert (header(store), header(store, "X-Scope-OrgID"), header(store, "Cookie")) == (None, None, None)


def test_a_bearer_token_is_read_again_when_its_file_changes(
    store: FakeStore, make_rig: MakeRig, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    rig = make_rig(prometheus_bearer_token_file=token)
    store.default = guarded("first")  # type: ignore[assignment]
    ask(rig)
    store.default = guarded("second")  # type: ignore[assignment]
    with pytest.raises(SourceRefused, match="401"):
        ask(rig)
    (tmp_path / "new").write_text("second")
    (tmp_path / "new").rename(token)  # as the kubelet replaces it
    ask(rig)
    assert header(store) == "Bearer second"


def test_an_unchanged_file_is_not_read_for_each_request(store: FakeStore, make_rig: MakeRig, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("aaaa")
    rig = make_rig(prometheus_bearer_token_file=token)
    ask(rig)
    before = token.stat()
    token.write_text("bbbb")
    os.utime(token, ns=(before.st_atime_ns, before.st_mtime_ns))
    ask(rig)
    assert header(store) == "Bearer aaaa"


def test_basic_authentication_survives_any_character(store: FakeStore, make_rig: MakeRig, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("pässword: 1\n")
    ask(make_rig(prometheus_basic_username="scraper", prometheus_basic_password_file=password))
    kind, text = (header(store) or "").split()
    assert (kind, base64.b64decode(text).decode()) == ("Basic", "scraper:pässword: 1")


def test_the_tenant_is_named_in_its_header(store: FakeStore, make_rig: MakeRig) -> None:
    ask(make_rig(prometheus_tenant="team-a"))
    assert header(store, "X-Scope-OrgID") == "team-a"
    ask(make_rig(prometheus_tenant="team-b", prometheus_tenant_header="THANOS-TENANT"))
    assert header(store, "THANOS-TENANT") == "team-b"


@pytest.mark.parametrize("content", [None, "", " \n", b"\xff\xfe"])
def test_credentials_that_cannot_be_read_are_refused_without_asking(
    store: FakeStore, make_rig: MakeRig, tmp_path: Path, content: str | bytes | None
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content.encode() if isinstance(content, str) else content)
    rig = make_rig(prometheus_bearer_token_file=token)
    with pytest.raises(SourceRefused, match="token"):
        ask(rig)
    assert (store.asked, rig.outcomes) == ([], {"refused": 1})


@pytest.mark.parametrize("token", ["secret\nsecond line", "secret-ü", "secret-\u20ac"])
def test_a_token_that_fits_no_header_is_refused_and_not_shown(make_rig: MakeRig, tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token)
    with pytest.raises(SourceRefused, match="one line of ASCII") as caught:
        ask(make_rig(prometheus_bearer_token_file=tmp_path / "token"))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_tenant_that_fits_no_header_is_refused(make_rig: MakeRig) -> None:
    with pytest.raises(ConfigurationError, match="FORESCALE_PROMETHEUS_TENANT"):
        make_rig(prometheus_tenant="a\r\nX-Other: b")


def test_two_ways_to_authenticate_are_one_too_many(make_rig: MakeRig, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unset one"):
        make_rig(prometheus_bearer_token_file=tmp_path / "a", prometheus_basic_username="b")


@pytest.mark.parametrize("half", [{"prometheus_basic_username": "a"}, {"prometheus_basic_password_file": Path("b")}])
def test_half_of_a_basic_authentication_is_refused(make_rig: MakeRig, half: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="belong together"):
        make_rig(**half)


def test_the_environment_adds_neither_proxy_nor_credentials(
    store: FakeStore, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login thief password pass")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(rig)
    assert header(store) is None
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    ask(rig)
    assert rig.outcomes == {"ok": 2}


# --- TLS


@dataclass(frozen=True)
class Authority:
    """A certificate authority of one test."""

    name: str
    folder: Path
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str, folder: Path) -> "Authority":
        authority = cls(name, folder, ec.generate_private_key(ec.SECP256R1()))
        authority._write(authority._signed(name, authority.key, authority=True), None, "ca")
        return authority

    @property
    def ca_file(self) -> Path:
        return self.folder / f"{self.name}-ca.pem"

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(self._signed(name, key, authority=False), key, name)

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if not authority:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(
        self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | None, name: str
    ) -> tuple[Path, Path]:
        cert_file, key_file = self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}.key"
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        if key is not None:
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            key_file.write_bytes(key.private_bytes(*form))
        return cert_file, key_file


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority.create("ours", tmp_path)


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return Authority.create("theirs", tmp_path)


@pytest.fixture
def secured(ours: Authority) -> Iterator[FakeStore]:
    """A store over TLS that wants a client certificate of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("server"))
    context.load_verify_locations(ours.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    store = FakeStore()
    store.secured(context)
    with store.running():
        yield store


def test_both_sides_prove_who_they_are(secured: FakeStore, make_rig: MakeRig, ours: Authority) -> None:
    cert, key = ours.issue("client")
    rig = make_rig(
        prometheus_url=secured.url,
        prometheus_ca_file=ours.ca_file,
        prometheus_client_cert_file=cert,
        prometheus_client_key_file=key,
    )
    ask(rig)
    assert rig.outcomes == {"ok": 1}


def test_a_store_with_a_certificate_of_another_authority_is_refused_at_once(
    secured: FakeStore, make_rig: MakeRig, theirs: Authority
) -> None:
    rig = make_rig(prometheus_url=secured.url, prometheus_ca_file=theirs.ca_file)
    with pytest.raises(SourceRefused, match="CERTIFICATE_VERIFY_FAILED"):
        ask(rig)
    assert (secured.asked, rig.outcomes) == ([], {"refused": 1})


def test_a_store_is_not_trusted_by_default(secured: FakeStore, make_rig: MakeRig) -> None:
    with pytest.raises(SourceRefused, match="CERTIFICATE_VERIFY_FAILED"):
        ask(make_rig(prometheus_url=secured.url))


def test_the_authorities_of_the_system_are_trusted_by_default(
    secured: FakeStore, make_rig: MakeRig, ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = ours.issue("client")
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.ca_file))  # how OpenSSL is told where the system keeps them
    ask(
        make_rig(
            prometheus_url=secured.url,
            prometheus_client_cert_file=cert,
            prometheus_client_key_file=key,
        )
    )
    assert len(secured.asked) == 1


def test_a_client_certificate_of_another_authority_gets_no_answer(
    secured: FakeStore, make_rig: MakeRig, ours: Authority, theirs: Authority
) -> None:
    cert, key = theirs.issue("client")
    rig = make_rig(
        prometheus_url=secured.url,
        prometheus_ca_file=ours.ca_file,
        prometheus_client_cert_file=cert,
        prometheus_client_key_file=key,
    )
    # Under TLS 1.3 the server's alert races with the reset of the connection, so which of the two is seen varies.
    with pytest.raises((SourceRefused, SourceUnavailable)):
        ask(rig)
    assert secured.asked == []


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("tlsv13 alert certificate required", SourceRefused),
        ("tlsv1 alert unknown ca", SourceRefused),
        ("EOF occurred in violation of protocol", SourceUnavailable),
    ],
)
def test_distrust_is_not_tried_again_and_a_broken_connection_is(words: str, kind: type[Exception]) -> None:
    assert type(disconnection(requests.exceptions.SSLError(ssl.SSLError(1, words)))) is kind


def test_a_renewed_authority_is_used_for_the_next_connection(
    secured: FakeStore, make_rig: MakeRig, ours: Authority, theirs: Authority, tmp_path: Path
) -> None:
    cert, key = ours.issue("client")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(theirs.ca_file.read_bytes())
    rig = make_rig(
        prometheus_url=secured.url,
        prometheus_ca_file=trusted,
        prometheus_client_cert_file=cert,
        prometheus_client_key_file=key,
    )
    with pytest.raises(SourceRefused):
        ask(rig)
    trusted.write_bytes(ours.ca_file.read_bytes())
    ask(rig)
    assert rig.outcomes == {"refused": 1, "ok": 1}


def test_a_missing_authority_file_is_refused_and_named(secured: FakeStore, make_rig: MakeRig, tmp_path: Path) -> None:
    rig = make_rig(prometheus_url=secured.url, prometheus_ca_file=tmp_path / "absent.pem")
    with pytest.raises(SourceRefused, match=r"absent\.pem"):
        ask(rig)


def test_plain_text_on_the_port_of_a_store_that_speaks_tls_is_refused(store: FakeStore, make_rig: MakeRig) -> None:
    rig = make_rig(prometheus_url=store.url.replace("http:", "https:"))
    with pytest.raises(SourceRefused, match="TLS"):
        ask(rig)
