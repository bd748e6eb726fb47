import asyncio

import pytest
from prometheus_client import CollectorRegistry

from app.serving.access.attributes import Attributes
from app.serving.access.authorization import DelegatedAuthorizer
from app.serving.access.identity import User
from app.serving.access.remembering import Kept, Remembered
from app.serving.access.reviews import ReviewFailed
from app.serving.instruments import Instruments
from app.serving.status import Refusal
from tests.serving.access_doubles import FakeReviews, HandClock

HPA = User("hpa", uid="1", groups=("g",), extra=(("k", ("v",)),))
PAGE = Attributes("get", path="/metrics")


def metric(name, namespace="ns"):
    return Attributes("list", group="external.metrics.k8s.io", version="v1beta1", resource=name, namespace=namespace)


@pytest.fixture
def reviews():
    return FakeReviews()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def authorizer(reviews, clock, registry):
    instruments = Instruments(registry)
    return DelegatedAuthorizer(reviews, clock=clock, allow_seconds=60, deny_seconds=10, instruments=instruments)


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_probes_need_no_review(authorizer, reviews, path):
    assert await authorizer.allows(User("system:anonymous"), Attributes("get", path=path))
    assert reviews.access_asked == []


@pytest.mark.parametrize("path", ["/healthz/", "/healthz/x", "/livezz", "/"])
async def test_paths_like_the_probes_do(authorizer, reviews, path):
    assert not await authorizer.allows(User("system:anonymous"), Attributes("get", path=path))
    assert len(reviews.access_asked) == 1


async def test_masters_need_no_review(authorizer, reviews):
    assert await authorizer.allows(User("root", groups=("a", "system:masters")), metric("m"))
    assert reviews.access_asked == []


async def test_the_review_names_the_whole_caller(authorizer, reviews):
    await authorizer.allows(HPA, PAGE)
    assert reviews.access_asked == [
        {
            "user": "hpa",
            "uid": "1",
            "groups": ["g"],
            "extra": {"k": ["v"]},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        }
    ]


async def test_the_right_to_all_metrics_is_one_review_for_all(authorizer, reviews):
    reviews.allowed = {("hpa", "*")}
    for name in ("a", "b", "c"):
        assert await authorizer.allows(HPA, metric(name, namespace=f"ns-{name}"))
    (asked,) = reviews.access_asked
    assert asked["resourceAttributes"] == {
        "verb": "list",
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "resource": "*",
    }


async def test_decisions_are_counted_by_where_they_come_from(authorizer, reviews, registry):
    reviews.allowed = {("hpa", "*")}
    for name in ("a", "b", "c"):
        await authorizer.allows(HPA, metric(name))

    def count(origin):
        labels = {"origin": origin, "outcome": "allowed"}
        return registry.get_sample_value("forescale_authorizations_total", labels)

    assert (count("review"), count("memory")) == (1, 2)


async def test_without_that_right_each_metric_is_reviewed(authorizer, reviews):
    reviews.allowed = {("hpa", "a")}
    assert await authorizer.allows(HPA, metric("a"))
    assert not await authorizer.allows(HPA, metric("b"))
    assert [spec["resourceAttributes"]["resource"] for spec in reviews.access_asked] == ["*", "a", "b"]


@pytest.mark.parametrize(
    "attributes",
    [
        Attributes("create", group="external.metrics.k8s.io", version="v1beta1", resource="m", namespace="ns"),
        Attributes("list", group="external.metrics.k8s.io", version="v1beta1", resource="m"),
        Attributes("get", group="external.metrics.k8s.io", version="v1beta1", resource="m", namespace="n", name="x"),
        Attributes("list", group="forescale.dev", version="v1alpha1", resource="loadforecasts", namespace="ns"),
    ],
)
async def test_the_wide_right_is_only_for_reading_metrics(authorizer, reviews, attributes):
    reviews.allowed = {("hpa", "*")}
    assert not await authorizer.allows(HPA, attributes)
    assert len(reviews.access_asked) == 1


async def test_one_users_right_is_not_anothers(authorizer, reviews):
    reviews.allowed = {("hpa", "*")}
    assert await authorizer.allows(HPA, metric("m"))
    assert not await authorizer.allows(User("eve", groups=("g",)), metric("m"))
    assert not await authorizer.allows(User("eve"), metric("m"))


async def test_an_allowed_access_is_remembered_while_the_api_is_down(authorizer, reviews, clock):
    reviews.allowed = {("hpa", "*")}
    assert await authorizer.allows(HPA, metric("m"))
    reviews.down = True
    clock.seconds += 59
    assert await authorizer.allows(HPA, metric("other"))
    clock.seconds += 2
    with pytest.raises(ReviewFailed):
        await authorizer.allows(HPA, metric("m"))


async def test_an_exact_right_outlives_the_denial_of_the_wide_one(authorizer, reviews, clock):
    reviews.allowed = {("hpa", "m")}
    assert await authorizer.allows(HPA, metric("m"))
    reviews.down = True
    clock.seconds += 30
    assert await authorizer.allows(HPA, metric("m"))


async def test_a_denial_is_forgotten_sooner(authorizer, reviews, clock):
    assert not await authorizer.allows(HPA, PAGE)
    reviews.allowed = {("hpa", "/metrics")}
    clock.seconds += 9.9
    assert not await authorizer.allows(HPA, PAGE)
    clock.seconds += 0.2
    assert await authorizer.allows(HPA, PAGE)


async def test_a_failure_is_not_remembered(authorizer, reviews):
    reviews.allowed, reviews.down = {("hpa", "/metrics")}, True
    with pytest.raises(ReviewFailed):
        await authorizer.allows(HPA, PAGE)
    reviews.down = False
    assert await authorizer.allows(HPA, PAGE)


async def test_many_callers_wait_for_one_review(authorizer, reviews):
    reviews.allowed, reviews.gate = {("hpa", "*")}, asyncio.Event()
    waiting = [asyncio.ensure_future(authorizer.allows(HPA, metric(str(n)))) for n in range(50)]
    for _ in range(3):
        await asyncio.sleep(0)
    reviews.gate.set()
    assert all(await asyncio.gather(*waiting))
    assert len(reviews.access_asked) == 1


async def test_one_caller_hanging_up_does_not_fail_the_others(authorizer, reviews):
    reviews.allowed, reviews.gate = {("hpa", "/metrics")}, asyncio.Event()
    first, second = (asyncio.ensure_future(authorizer.allows(HPA, PAGE)) for _ in range(2))
    for _ in range(3):
        await asyncio.sleep(0)
    first.cancel()
    reviews.gate.set()
    assert await second
    assert len(reviews.access_asked) == 1


async def test_memory_is_bounded_and_the_oldest_goes():
    asked = []
    remembered: Remembered[int, int] = Remembered(clock=HandClock(), size=2)

    async def answer(key):
        async def ask():
            asked.append(key)
            return Kept(key, 60.0)

        return await remembered.get(key, ask)

    for key in (1, 2, 3, 2, 3, 1):
        assert await answer(key) == key
    assert asked == [1, 2, 3, 1]


async def test_questions_at_a_time_are_bounded(clock):
    gate = asyncio.Event()
    remembered: Remembered[int, int] = Remembered(clock=clock, asking=2)

    async def ask():
        await gate.wait()
        return Kept(1, 60.0)

    waiting = [asyncio.ensure_future(remembered.get(key, ask)) for key in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as raised:
        await remembered.get(3, ask)
    assert (raised.value.code, raised.value.retry_after_seconds) == (429, 1)
    gate.set()
    await asyncio.gather(*waiting)
    assert await remembered.get(3, ask) == 1
