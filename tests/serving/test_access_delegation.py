"""What is asked of kube-apiserver, and what its answers mean."""

import asyncio
import threading

import pytest
from tenacity import wait_none

from app.cluster.connection import ApiFailure
from app.serving.access.delegation import DELEGATED, KubernetesReviews, parsed_config
from app.serving.access.identity import User
from app.serving.access.reviews import ReviewFailed


class FakeStream:
    """One event after `release`, or the end after `interrupt`."""

    def __init__(self):
        self.opened = threading.Event()
        self.release = threading.Event()
        self.closed = False

    def __iter__(self):
        self.opened.set()
        self.release.wait(10)
        yield {"type": "MODIFIED", "object": {}}

    def close(self):
        self.closed = True

    def interrupt(self):
        self.release.set()


class FakeApi:
    """Gives answers in turn: an object, or an exception to raise."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.watch = FakeStream()

    def call(self, permission, *, namespace=None, body=None):
        self.asked.append((permission, namespace, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stream(self, permission, *, namespace, query, read_seconds):
        self.asked.append((permission, namespace, query))
        return self.watch


@pytest.fixture
def reviews_of():
    made = []

    def make(*answers):
        api = FakeApi(*answers)
        made.append(KubernetesReviews(api, wait=wait_none()))
        return made[-1], api

    yield make
    for reviews in made:
        reviews.close()


async def test_a_token_review_names_the_user(reviews_of):
    user = {"username": "u", "uid": "7", "groups": ["a", "b"], "extra": {"k": ["v", "w"]}}
    reviews, api = reviews_of({"status": {"authenticated": True, "user": user}})
    assert await reviews.review_token("secret") == User("u", uid="7", groups=("a", "b"), extra=(("k", ("v", "w")),))
    permission, _, body = api.asked[0]
    assert permission.path() == "/apis/authentication.k8s.io/v1/tokenreviews"
    assert body["spec"] == {"token": "secret"}


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"authenticated": False, "error": "expired"},
        {"authenticated": False, "user": {"username": "u"}},
        {"authenticated": "true", "user": {"username": "u"}},
        {"authenticated": True, "user": {}},
    ],
)
async def test_anything_but_a_clear_yes_is_nobodys_token(reviews_of, status):
    reviews, _ = reviews_of({"status": status})
    assert await reviews.review_token("secret") is None


@pytest.mark.parametrize(
    ("status", "allowed"),
    [({"allowed": True}, True), ({"allowed": False}, False), ({}, False), ({"allowed": "true"}, False)],
)
async def test_only_a_clear_yes_allows(reviews_of, status, allowed):
    reviews, api = reviews_of({"status": status})
    assert await reviews.review_access({"user": "u"}) is allowed
    permission, _, body = api.asked[0]
    assert permission.path() == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert (body["kind"], body["spec"]) == ("SubjectAccessReview", {"user": "u"})


@pytest.mark.parametrize("status", [0, 429, 500, 503])
async def test_passing_trouble_is_tried_again(reviews_of, status):
    trouble = [ApiFailure("trouble", status=status)] * 4
    reviews, _ = reviews_of(*trouble, {"status": {"allowed": True}})
    assert await reviews.review_access({}) is True


async def test_lasting_trouble_fails_after_five_attempts(reviews_of):
    reviews, api = reviews_of(*[ApiFailure("trouble", status=503)] * 6)
    with pytest.raises(ReviewFailed, match="trouble"):
        await reviews.review_access({})
    assert len(api.asked) == 5


async def test_a_missing_right_of_our_own_is_not_tried_again(reviews_of):
    reviews, api = reviews_of(ApiFailure("forbidden", status=403))
    with pytest.raises(ReviewFailed, match="forbidden"):
        await reviews.review_access({})
    assert len(api.asked) == 1


async def test_the_configuration_is_read_by_its_name(reviews_of):
    data = {
        "client-ca-file": "CLIENT",
        "requestheader-client-ca-file": "PROXY",
        "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }
    reviews, api = reviews_of({"metadata": {"resourceVersion": "12"}, "data": data})
    config = await reviews.authentication_config()
    assert (config.client_ca, config.requestheader_ca, config.version) == ("CLIENT", "PROXY", "12")
    assert config.allowed_names == ("front-proxy-client",)
    assert config.username_headers == ("X-Remote-User",)
    assert config.uid_headers == ("X-Remote-Uid",)
    assert config.group_headers == ("X-Remote-Group",)
    assert config.extra_prefixes == ("X-Remote-Extra-",)
    permission, namespace, _ = api.asked[0]
    path = permission.path(namespace=namespace, name=permission.name)
    assert path == "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


def test_a_cluster_may_leave_out_the_front_proxy():
    config = parsed_config({"data": {"client-ca-file": "CLIENT"}})
    assert (config.requestheader_ca, config.allowed_names) == ("", ())


@pytest.mark.parametrize("value", ["front-proxy", '"front-proxy"', "{}"])
def test_a_list_that_is_none_is_refused_not_taken_for_empty(value):
    with pytest.raises(ReviewFailed, match="requestheader-allowed-names"):
        parsed_config({"data": {"requestheader-allowed-names": value}})


async def test_a_change_is_awaited_by_a_watch_of_that_one_object(reviews_of):
    reviews, api = reviews_of()
    api.watch.release.set()
    await reviews.configuration_changed("12", seconds=60)
    permission, namespace, query = api.asked[0]
    assert (permission.verb, namespace) == ("watch", "kube-system")
    assert query == {
        "fieldSelector": "metadata.name=extension-apiserver-authentication",
        "resourceVersion": "12",
        "timeoutSeconds": "60",
    }
    assert api.watch.closed


async def test_closing_ends_a_watch_that_waits(reviews_of):
    reviews, api = reviews_of()
    waiting = asyncio.ensure_future(reviews.configuration_changed("12", seconds=60))
    await asyncio.to_thread(api.watch.opened.wait, 10)
    reviews.close()
    await waiting
    assert api.watch.closed


async def test_after_closing_every_question_fails(reviews_of):
    reviews, _ = reviews_of()
    reviews.close()
    with pytest.raises(ReviewFailed):
        await reviews.review_access({})


def test_the_two_roles_of_kubernetes_cover_the_calls():
    granted = {
        ("create", "tokenreviews"),
        ("create", "subjectaccessreviews"),
        ("get", "configmaps"),
        ("watch", "configmaps"),
    }
    assert {(permission.verb, permission.resource) for permission in DELEGATED} == granted
