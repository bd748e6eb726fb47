from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from app.serving.access.certificates import NotTrusted, PeerChain, TrustBundle
from tests.serving.access_authorities import SERVER, authority, issue

DAY = 86_400.0


@pytest.fixture(scope="module")
def root():
    return authority("proxy-ca")


@pytest.fixture(scope="module")
def now():
    return datetime.now(UTC).timestamp()


def test_the_subject_is_name_and_organizations(root, now):
    leaf = issue("front-proxy", by=root, organizations=("one", "two"))
    subject = TrustBundle(root.pem).subject(PeerChain.of(leaf.der), now=now)
    assert (subject.common_name, subject.organizations) == ("front-proxy", ("one", "two"))


def test_intermediates_lead_to_the_root(root, now):
    leaf = issue("front-proxy", by=authority("between", by=root))
    assert len(leaf.der) == 2
    assert TrustBundle(root.pem).subject(PeerChain.of(leaf.der), now=now).common_name == "front-proxy"
    with pytest.raises(NotTrusted):
        TrustBundle(root.pem).subject(PeerChain.of(leaf.der[:1]), now=now)


def test_an_intermediate_in_the_bundle_is_an_anchor(root, now):
    between = authority("between", by=root)
    leaf = issue("front-proxy", by=between)
    bundle = TrustBundle(between.certificate.public_bytes(Encoding.PEM).decode())
    assert bundle.subject(PeerChain.of(leaf.der[:1]), now=now).common_name == "front-proxy"


def test_another_authority_is_not_trusted_even_of_the_same_name(now):
    with pytest.raises(NotTrusted):
        TrustBundle(authority("ca").pem).subject(PeerChain.of(issue("x", by=authority("ca")).der), now=now)


def test_a_self_signed_certificate_is_not_trusted(root, now):
    with pytest.raises(NotTrusted):
        TrustBundle(root.pem).subject(PeerChain.of(issue("front-proxy").der), now=now)


def test_an_ordinary_certificate_cannot_issue_others(root, now):
    leaf = issue("front-proxy", by=root)
    forged = issue("front-proxy", by=leaf)
    with pytest.raises(NotTrusted):
        TrustBundle(root.pem).subject(PeerChain.of([*forged.der[:1], *leaf.der]), now=now)


def test_an_issuer_whose_key_must_not_sign_is_not_believed(root, now):
    for signs in (True, False):
        between = issue("between", by=root, authority=True, signs=signs)
        chain = PeerChain.of(issue("front-proxy", by=between).der)
        if signs:
            assert TrustBundle(root.pem).subject(chain, now=now).common_name == "front-proxy"
        else:
            with pytest.raises(NotTrusted):
                TrustBundle(root.pem).subject(chain, now=now)


def test_a_servers_certificate_is_not_a_clients(root, now):
    leaf = issue("front-proxy", by=root, usages=(SERVER,))
    with pytest.raises(NotTrusted):
        TrustBundle(root.pem).subject(PeerChain.of(leaf.der), now=now)


def test_a_certificate_without_usages_may_be_a_clients(root, now):
    leaf = issue("front-proxy", by=root, usages=None)
    assert TrustBundle(root.pem).subject(PeerChain.of(leaf.der), now=now).common_name == "front-proxy"


@pytest.mark.parametrize("later_s", [-2 * DAY, 31 * DAY])
def test_validity_is_looked_at_now_even_if_the_verdict_is_remembered(root, now, later_s):
    bundle, chain = TrustBundle(root.pem), PeerChain.of(issue("front-proxy", by=root).der)
    bundle.subject(chain, now=now)
    with pytest.raises(NotTrusted):
        bundle.subject(chain, now=now + later_s)
    with pytest.raises(NotTrusted):
        TrustBundle(root.pem).subject(chain, now=now + later_s)


def test_an_expired_issuer_ends_the_verdict_too(now):
    short = issue("ca", authority=True, days=(-1, 2))
    bundle, chain = TrustBundle(short.pem), PeerChain.of(issue("front-proxy", by=short).der)
    bundle.subject(chain, now=now)
    with pytest.raises(NotTrusted):
        bundle.subject(chain, now=now + 3 * DAY)


def test_a_bundle_may_hold_old_and_new_authorities_and_comments(root, now):
    new = authority("new-ca")
    bundle = TrustBundle(f"# alt für den Übergang\n{root.pem}\n# neu\n{new.pem}")
    for issuer in (root, new):
        assert bundle.subject(PeerChain.of(issue("x", by=issuer).der), now=now).common_name == "x"
    assert bundle.pem.isascii()


def test_broken_bundles_and_certificates_are_refused(root, now):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says
        TrustBundle("not PEM")
    with pytest.raises(NotTrusted):
        TrustBundle(root.pem).subject(PeerChain.of([b"not DER"]), now=now)


def test_verdicts_do_not_pile_up(root, now):
    bundle = TrustBundle(root.pem, remembered=2)
    for name in ("a", "b", "c"):
        assert bundle.subject(PeerChain.of(issue(name, by=root).der), now=now).common_name == name
    assert len(bundle._verdicts) == 2
