import asyncio

import pytest

from app.serving.access.reviews import ReviewFailed
from app.serving.access.trust import TrustKeeper
from tests.serving.access_authorities import authority
from tests.serving.access_doubles import FakeReviews, requestheader_config


@pytest.fixture(scope="module")
def bundles():
    return authority("client-ca").pem, authority("proxy-ca").pem, authority("new-proxy-ca").pem


@pytest.fixture
def reviews(bundles):
    return FakeReviews(requestheader_config(client_ca=bundles[0], proxy_ca=bundles[1]))


async def test_nothing_is_trusted_before_the_first_read(reviews, bundles):
    keeper = TrustKeeper(reviews)
    assert not keeper.ready()
    await keeper.refresh()
    assert keeper.ready()
    assert keeper.trust is not None
    assert keeper.trust.bundles == bundles[:2]


async def test_trouble_keeps_what_was_read(reviews):
    keeper = TrustKeeper(reviews)
    await keeper.refresh()
    before = keeper.trust
    reviews.down = True
    with pytest.raises(ReviewFailed):
        await keeper.refresh()
    reviews.down, reviews.config = False, requestheader_config(client_ca="broken", proxy_ca="", version="2")
    with pytest.raises(ValueError, match="PEM"):
        await keeper.refresh()
    assert keeper.trust is before


async def test_a_context_that_cannot_be_made_keeps_the_old_trust(reviews):
    def refuse(trust):
        raise ValueError("client CAs cannot be used")

    keeper = TrustKeeper(reviews, on_change=refuse)
    with pytest.raises(ValueError, match="cannot be used"):
        await keeper.refresh()
    assert keeper.trust is None


async def test_an_unchanged_version_changes_nothing(reviews):
    seen = []
    keeper = TrustKeeper(reviews, on_change=seen.append)
    await keeper.refresh()
    await keeper.refresh()
    assert len(seen) == 1


async def test_a_cluster_without_front_proxy_is_served_all_the_same(bundles):
    keeper = TrustKeeper(FakeReviews(requestheader_config(client_ca=bundles[0], proxy_ca="")))
    await keeper.refresh()
    assert keeper.trust is not None
    assert keeper.trust.proxies is None


async def test_changes_are_followed_and_failures_wait_longer_each_time(reviews, bundles):
    pauses: list[float] = []
    seen = asyncio.Queue()

    async def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            reviews.down = False
        await asyncio.sleep(0)

    reviews.down = True
    keeper = TrustKeeper(reviews, on_change=seen.put_nowait, sleep=pause)
    following = asyncio.ensure_future(keeper.follow())
    await seen.get()
    assert pauses == [2.0, 4.0, 8.0]
    reviews.config = requestheader_config(client_ca=bundles[0], proxy_ca=bundles[2], version="2")
    reviews.changed.set()
    assert (await seen.get()).bundles == (bundles[0], bundles[2])
    assert pauses[3:] == [1.0]
    following.cancel()
