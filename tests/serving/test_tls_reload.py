"""Replacing certificate and CAs, looked at through handshakes in memory."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.errors import ConfigurationError
from app.serving.instruments import Instruments
from app.serving.listener import peer_chain
from app.serving.tls import ServingTls
from app.telemetry import CERTIFICATE_END
from tests.serving.access_authorities import SERVER, authority, issue


@pytest.fixture(scope="module")
def serving_ca():
    return authority("serving-ca")


@pytest.fixture(scope="module")
def client_ca():
    return authority("client-ca")


@pytest.fixture
def files(tmp_path, serving_ca):
    return issue("localhost", by=serving_ca, usages=(SERVER,)).write(tmp_path, "serving")


@pytest.fixture
def tls(files):
    return ServingTls(*files)


def client_context(serving_ca, shown=None, folder=None, **limits):
    context = ssl.create_default_context(cadata=serving_ca.pem)
    for limit, version in limits.items():
        setattr(context, limit, version)
    if shown is not None:
        context.load_cert_chain(*shown.write(folder, "shown"))
    return context


def shake(server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None):
    """Both ends after a handshake and one message each way. Raises ssl.SSLError if either end refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    inner = server.wrap_bio(to_server, to_client, server_side=True)
    outer = client.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
    pending = {outer: outer.do_handshake, inner: inner.do_handshake}
    for _ in range(10):
        for end, step in list(pending.items()):
            try:
                step()
            except ssl.SSLWantReadError:
                continue
            del pending[end]
    assert not pending
    inner.write(b"x")
    assert outer.read() == b"x"
    return inner, outer


def test_a_new_certificate_is_served_once_its_files_change(tls, files, tmp_path, serving_ca):
    client = client_context(serving_ca)
    before = shake(tls.context, client)[1].getpeercert(binary_form=True)
    assert not tls.reload()
    renewed = issue("localhost", by=serving_ca, usages=(SERVER,))
    renewed.write(tmp_path, "serving")
    assert shake(tls.context, client)[1].getpeercert(binary_form=True) == before
    assert tls.reload()
    assert shake(tls.context, client)[1].getpeercert(binary_form=True) == renewed.der[0]


@pytest.mark.parametrize("trouble", ["half written", "not a pair", "gone"])
def test_trouble_with_the_files_keeps_what_is_served(tls, files, tmp_path, serving_ca, trouble):
    certificate, key = files
    client = client_context(serving_ca)
    before = shake(tls.context, client)[1].getpeercert(binary_form=True)
    renewed = issue("localhost", by=serving_ca, usages=(SERVER,))
    if trouble == "gone":
        certificate.unlink()
    else:
        certificate.write_text(renewed.pem[: 300 if trouble == "half written" else None])
    assert not tls.reload()
    assert shake(tls.context, client)[1].getpeercert(binary_form=True) == before
    renewed.write(tmp_path, "serving")
    assert tls.reload()
    assert shake(tls.context, client)[1].getpeercert(binary_form=True) == renewed.der[0]
    assert key.exists()


def test_the_end_that_is_told_is_that_of_what_is_served(tls, files, tmp_path, serving_ca):
    told = tls.ends_s
    assert told == pytest.approx((datetime.now(UTC) + timedelta(days=30)).timestamp(), abs=60)
    files[0].write_text("half written")
    tls.reload()
    assert tls.ends_s == told
    renewed = issue("localhost", by=serving_ca, usages=(SERVER,), days=(-1, 90))
    renewed.write(tmp_path, "serving")
    assert tls.ends_s == told
    tls.reload()
    assert tls.ends_s == renewed.certificate.not_valid_after_utc.timestamp()


def test_of_a_chain_the_first_end_is_told(tmp_path, serving_ca):
    between = issue("between", by=serving_ca, authority=True, days=(-1, 10))
    leaf = issue("localhost", by=between, usages=(SERVER,))
    assert ServingTls(*leaf.write(tmp_path, "serving")).ends_s == between.certificate.not_valid_after_utc.timestamp()


def test_doors_without_tls_tell_no_end():
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    assert CERTIFICATE_END.name.encode() not in generate_latest(registry)
    instruments.watch_certificate(lambda: 1_800_000_000.0)
    assert f"{CERTIFICATE_END.name} 1.8e+09".encode() in generate_latest(registry)


async def test_files_are_looked_at_again_and_again(files, tmp_path, serving_ca):
    pauses = asyncio.Queue()

    async def pause(seconds):
        pauses.put_nowait(seconds)
        await asyncio.sleep(0)

    tls = ServingTls(*files, sleep=pause)
    following = asyncio.ensure_future(tls.follow())
    await pauses.get()
    renewed = issue("localhost", by=serving_ca, usages=(SERVER,))
    renewed.write(tmp_path, "serving")
    await pauses.get()
    await pauses.get()
    following.cancel()
    assert shake(tls.context, client_context(serving_ca))[1].getpeercert(binary_form=True) == renewed.der[0]


def test_files_that_cannot_be_served_with_stop_the_start(tmp_path, files):
    with pytest.raises(ConfigurationError, match=r"missing\.crt"):
        ServingTls(tmp_path / "missing.crt", files[1])
    with pytest.raises(ConfigurationError):
        ServingTls(files[0], files[0])


def test_a_client_may_come_without_a_certificate(tls, serving_ca, client_ca):
    tls.trust([client_ca.pem])
    assert peer_chain(shake(tls.context, client_context(serving_ca))[0]) is None


def test_the_whole_chain_of_the_client_is_seen(tls, tmp_path, serving_ca, client_ca):
    tls.trust([client_ca.pem])
    shown = issue("bob", by=authority("between", by=client_ca))
    chain = peer_chain(shake(tls.context, client_context(serving_ca, shown, tmp_path))[0])
    assert chain is not None
    assert list(chain.certificates) == shown.der


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_chain_is_whole_also_when_a_client_comes_again(tls, tmp_path, serving_ca, client_ca, version):
    tls.trust([client_ca.pem])
    shown = issue("bob", by=authority("between", by=client_ca))
    client = client_context(serving_ca, shown, tmp_path, maximum_version=version)
    outer = shake(tls.context, client)[1]
    again = shake(tls.context, client, outer.session)[0]
    chain = peer_chain(again)
    assert chain is not None
    assert list(chain.certificates) == shown.der


def test_an_authority_that_is_no_longer_trusted_fails_the_handshake(tls, tmp_path, serving_ca, client_ca):
    client = client_context(serving_ca, issue("bob", by=client_ca), tmp_path)
    with pytest.raises(ssl.SSLError):
        shake(tls.context, client)
    tls.trust([client_ca.pem])
    shake(tls.context, client)
    tls.trust([authority("client-ca").pem])
    with pytest.raises(ssl.SSLError):
        shake(tls.context, client)


def test_a_broken_bundle_changes_nothing(tls, tmp_path, serving_ca, client_ca):
    tls.trust([client_ca.pem])
    with pytest.raises(ValueError, match="client CAs"):
        tls.trust(["broken"])
    client = client_context(serving_ca, issue("bob", by=client_ca), tmp_path)
    shake(tls.context, client)
    issue("localhost", by=serving_ca, usages=(SERVER,)).write(tmp_path, "serving")
    assert tls.reload()
    shake(tls.context, client)


def test_no_session_is_resumed_from_a_ticket(tls, serving_ca):
    client = client_context(serving_ca)
    outer = shake(tls.context, client)[1]
    assert not shake(tls.context, client, outer.session)[1].session_reused


def test_old_versions_of_tls_are_refused(tls):
    probe = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = tls.context.wrap_bio(*probe, server_side=True)
    assert connection.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_key_never_needs_to_be_beside_the_certificate(tmp_path, serving_ca):
    folder = tmp_path / "keys"
    folder.mkdir()
    issued = issue("localhost", by=serving_ca, usages=(SERVER,))
    certificate, _ = issued.write(tmp_path, "serving")
    key = Path(folder / "tls.key")
    key.write_text(issued.key_pem)
    shake(ServingTls(certificate, key).context, client_context(serving_ca))
