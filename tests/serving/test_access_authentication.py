from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from app.serving.access.authentication import DelegatedAuthenticator
from app.serving.access.certificates import PeerChain
from app.serving.access.identity import User
from app.serving.access.trust import Trust
from app.serving.instruments import Instruments
from app.serving.status import Refusal
from tests.serving.access_authorities import authority, issue
from tests.serving.access_doubles import FakeReviews, HandClock, requestheader_config

CLAIM = [(b"x-remote-user", b"alice"), (b"x-remote-group", b"one"), (b"x-remote-group", b"two")]


@pytest.fixture(scope="module")
def client_ca():
    return authority("client-ca")


@pytest.fixture(scope="module")
def proxy_ca():
    return authority("proxy-ca")


@pytest.fixture(scope="module")
def proxy(proxy_ca):
    return PeerChain.of(issue("front-proxy", by=proxy_ca).der)


@pytest.fixture(scope="module")
def bob(client_ca):
    return PeerChain.of(issue("bob", by=client_ca, organizations=("ops", "dev")).der)


@pytest.fixture
def reviews(client_ca, proxy_ca):
    return FakeReviews(requestheader_config(client_ca=client_ca.pem, proxy_ca=proxy_ca.pem))


@pytest.fixture
def clock():
    return HandClock(datetime.now(UTC).timestamp())


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def authenticator(reviews, clock, registry):
    trust = Trust.of(reviews.config)
    return DelegatedAuthenticator(reviews, trust=lambda: trust, clock=clock, instruments=Instruments(registry))


def bearer(token):
    return (b"authorization", f"Bearer {token}".encode())


async def refused(authenticator, headers, chain):
    with pytest.raises(Refusal) as raised:
        await authenticator.authenticate(headers, chain)
    return raised.value.code


async def test_a_front_proxy_is_believed(authenticator, proxy):
    user = await authenticator.authenticate(CLAIM, proxy)
    assert user == User("alice", groups=("one", "two", "system:authenticated"))


async def test_claims_without_a_certificate_are_nobodys(authenticator):
    user = await authenticator.authenticate(CLAIM, None)
    assert user == User("system:anonymous", groups=("system:unauthenticated",))


async def test_claims_with_an_ordinary_certificate_are_ignored(authenticator, bob):
    user = await authenticator.authenticate(CLAIM, bob)
    assert user == User("bob", groups=("ops", "dev", "system:authenticated"))


async def test_a_proxy_of_another_name_is_refused(authenticator, proxy_ca):
    other = PeerChain.of(issue("another-proxy", by=proxy_ca).der)
    assert await refused(authenticator, CLAIM, other) == 401


async def test_an_empty_list_of_names_allows_any_proxy(reviews, clock, proxy_ca, client_ca):
    trust = Trust.of(requestheader_config(client_ca=client_ca.pem, proxy_ca=proxy_ca.pem, names=()))
    instruments = Instruments(CollectorRegistry())
    authenticator = DelegatedAuthenticator(reviews, trust=lambda: trust, clock=clock, instruments=instruments)
    other = PeerChain.of(issue("another-proxy", by=proxy_ca).der)
    assert (await authenticator.authenticate(CLAIM, other)).name == "alice"


async def test_a_proxy_that_names_nobody_is_not_anonymous(authenticator, proxy):
    assert await refused(authenticator, [], proxy) == 401


async def test_a_proxys_own_certificate_is_nobodys_name(authenticator, proxy_ca):
    chain = PeerChain.of(issue("front-proxy", by=proxy_ca, organizations=("system:masters",)).der)
    assert await refused(authenticator, [(b"x-remote-user", b" ")], chain) == 401


async def test_an_unknown_authority_is_refused_not_anonymous(authenticator):
    chain = PeerChain.of(issue("front-proxy", by=authority("nobodys-ca")).der)
    assert await refused(authenticator, CLAIM, chain) == 401


async def test_an_expired_certificate_is_refused(authenticator, proxy_ca):
    chain = PeerChain.of(issue("front-proxy", by=proxy_ca, days=(-2, -1)).der)
    assert await refused(authenticator, CLAIM, chain) == 401


async def test_a_good_token_makes_up_for_a_bad_certificate(authenticator, reviews):
    reviews.tokens["good"] = User("system:serviceaccount:a:b", uid="7", groups=("system:serviceaccounts",))
    chain = PeerChain.of(issue("x", by=authority("nobodys-ca")).der)
    user = await authenticator.authenticate([*CLAIM, bearer("good")], chain)
    assert user.name == "system:serviceaccount:a:b"
    assert user.groups == ("system:serviceaccounts", "system:authenticated")


async def test_a_bad_token_is_refused_not_anonymous(authenticator):
    assert await refused(authenticator, [bearer("bad")], None) == 401


async def test_a_token_is_not_believed_while_nobody_can_review_it(authenticator, reviews):
    reviews.tokens["good"] = User("a")
    reviews.down = True
    assert await refused(authenticator, [bearer("good")], None) == 401
    reviews.down = False
    assert (await authenticator.authenticate([bearer("good")], None)).name == "a"


async def test_a_good_token_is_remembered_for_ten_seconds(authenticator, reviews, clock):
    reviews.tokens["good"] = User("a")
    for _ in range(3):
        await authenticator.authenticate([bearer("good")], None)
    assert reviews.tokens_asked == ["good"]
    del reviews.tokens["good"]
    clock.seconds += 9.9
    await authenticator.authenticate([bearer("good")], None)
    clock.seconds += 0.2
    assert await refused(authenticator, [bearer("good")], None) == 401


async def test_a_bad_token_is_looked_at_again_soon(authenticator, reviews, clock):
    assert await refused(authenticator, [bearer("new")], None) == 401
    reviews.tokens["new"] = User("a")
    clock.seconds += 2.1
    assert (await authenticator.authenticate([bearer("new")], None)).name == "a"


@pytest.mark.parametrize("value", [b"Basic YTpi", b"Bearer", b"Bearer  ", b"good"])
async def test_other_authorizations_are_no_credential(authenticator, reviews, value):
    user = await authenticator.authenticate([(b"authorization", value)], None)
    assert user.name == "system:anonymous"
    assert reviews.tokens_asked == []


async def test_the_scheme_may_be_written_in_any_case(authenticator, reviews):
    reviews.tokens["good"] = User("a")
    assert (await authenticator.authenticate([(b"authorization", b"bearer good")], None)).name == "a"


async def test_a_claim_that_is_not_text_is_refused(authenticator, proxy):
    assert await refused(authenticator, [(b"x-remote-user", b"\xff")], proxy) == 401


async def test_a_proxy_may_pass_on_an_anonymous_caller(authenticator, proxy):
    headers = [(b"x-remote-user", b"system:anonymous"), (b"x-remote-group", b"system:unauthenticated")]
    user = await authenticator.authenticate(headers, proxy)
    assert user.groups == ("system:unauthenticated",)


async def test_before_anything_is_published_nobody_vouches(reviews, clock, proxy):
    instruments = Instruments(CollectorRegistry())
    authenticator = DelegatedAuthenticator(reviews, trust=lambda: None, clock=clock, instruments=instruments)
    assert (await authenticator.authenticate(CLAIM, proxy)).name == "system:anonymous"
    assert authenticator.harmless([*CLAIM, (b"accept", b"*/*")]) == [(b"accept", b"*/*")]


async def test_credentials_do_not_reach_the_doors(authenticator):
    assert authenticator.harmless([*CLAIM, bearer("t"), (b"accept", b"*/*")]) == [(b"accept", b"*/*")]


async def test_methods_are_counted(authenticator, registry, bob):
    await authenticator.authenticate(CLAIM, bob)

    def count(method, outcome):
        labels = {"method": method, "outcome": outcome}
        return registry.get_sample_value("forescale_authentications_total", labels)

    assert (count("front_proxy", "failure"), count("certificate", "success")) == (1, 1)
