import httpx
import pytest

from app.serving.access.attributes import Attributes
from app.serving.access.control import AccessControl
from app.serving.access.identity import User
from app.serving.access.reviews import ReviewFailed
from app.serving.paths import PEER_EXTENSION
from app.serving.status import Answer, Refusal, reply


class OneUser:
    """Everybody is `u`."""

    async def authenticate(self, headers, chain):
        if chain is not None:
            raise Refusal(401, "Unauthorized")
        return User("u")

    def harmless(self, headers):
        return [header for header in headers if header[0] != b"authorization"]


class Rule:
    """Allows what it is told to, and notes what it was asked."""

    def __init__(self, allowed=True):
        self.allowed = allowed
        self.asked = []

    async def allows(self, user, attributes):
        self.asked.append((user, attributes))
        if self.allowed is None:
            raise ReviewFailed("secret address refused")
        return self.allowed


class Door:
    """Notes the scopes that reach it."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        if scope["type"] == "http":
            await reply(send, Answer(200, b"{}"))


@pytest.fixture
def door():
    return Door()


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x.test")


async def test_the_door_sees_the_caller_but_not_the_credential(door):
    rule = Rule()
    async with client_of(AccessControl(door, authenticator=OneUser(), authorizer=rule)) as client:
        await client.get("/metrics", headers={"authorization": "Bearer t"})
    (scope,) = door.scopes
    assert scope["user"] == User("u")
    assert b"authorization" not in dict(scope["headers"])
    assert rule.asked == [(User("u"), Attributes("get", path="/metrics"))]


@pytest.mark.parametrize(("allowed", "code"), [(False, 403), (None, 500)])
async def test_what_is_not_allowed_does_not_reach_the_door(door, allowed, code):
    async with client_of(AccessControl(door, authenticator=OneUser(), authorizer=Rule(allowed))) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == code
    assert "secret" not in answer.text
    assert door.scopes == []


async def test_what_the_attributes_say_is_what_the_path_says_once_decoded(door):
    rule = Rule()
    async with client_of(AccessControl(door, authenticator=OneUser(), authorizer=rule)) as client:
        await client.get("/api/v1/namespaces/a%2F..%2Fb/loadforecasts/n")
    assert rule.asked[0][1].namespace == "a"
    assert door.scopes[0]["path"] == "/api/v1/namespaces/a/../b/loadforecasts/n"


async def test_endless_paths_are_refused_before_anybody_is_asked(door):
    rule = Rule()
    async with client_of(AccessControl(door, authenticator=OneUser(), authorizer=rule)) as client:
        assert (await client.get("/" + "x" * 5000)).status_code == 414
    assert rule.asked == []


async def test_a_refusal_of_head_has_no_body(door):
    async with client_of(AccessControl(door, authenticator=OneUser(), authorizer=Rule(allowed=False))) as client:
        answer = await client.head("/metrics")
    assert (answer.status_code, answer.content) == (403, b"")


async def test_the_peers_certificates_come_from_the_connection_alone(door):
    control = AccessControl(door, authenticator=OneUser(), authorizer=Rule())
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await control({**scope, "extensions": {PEER_EXTENSION: object()}}, None, send)
    assert sent[0]["status"] == 401
    await control({**scope, "headers": [(PEER_EXTENSION.encode(), b"x")]}, None, send)
    assert sent[2]["status"] == 200


async def test_lifespan_passes_and_websockets_do_not(door):
    control = AccessControl(door, authenticator=OneUser(), authorizer=Rule())
    sent = []

    async def send(message):
        sent.append(message)

    await control({"type": "lifespan"}, None, send)
    await control({"type": "websocket", "path": "/"}, None, send)
    assert [scope["type"] for scope in door.scopes] == ["lifespan"]
    assert sent == [{"type": "websocket.close", "code": 1008}]
