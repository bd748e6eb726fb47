"""Who is believed over a real TLS connection, on both event loops."""

import asyncio
from dataclasses import replace

import httpx
import numpy as np
import pytest
import uvloop

from app.serving.access.identity import User
from app.snapshot import SnapshotStore
from tests.serving.access_authorities import authority, issue
from tests.serving.access_service import serving

CLAIM = [("X-Remote-User", "alice"), ("X-Remote-Group", "one"), ("X-Remote-Group", "two")]
METRIC = "/apis/external.metrics.k8s.io/v1beta1/namespaces/mcp/gateway"


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def scenario(request, tmp_path, make_snapshot, make_forecast):
    """Runs a coroutine function with a running service."""

    async def run(story, options):
        store = SnapshotStore(make_snapshot(forecasts=(make_forecast(),), data_s=np.array([9e9])))
        async with serving(tmp_path, store, **options) as service:
            service.reviews.allowed = {(name, "/whoami") for name in ("alice", "bob", "robot", "system:anonymous")}
            await asyncio.wait_for(story(service), 30)

    def started(story, **options):
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(run(story, options))

    return started


def test_the_front_proxy_is_believed_with_groups_and_extra(scenario):
    async def story(service):
        extra = [("X-Remote-Uid", "7"), ("X-Remote-Extra-Acme.com%2Fteam", "red")]
        answer = await service.tells(issue("front-proxy", by=service.authorities.proxy_ca), CLAIM + extra)
        told = answer.json()
        assert (told["name"], told["uid"]) == ("alice", "7")
        assert told["groups"] == ["one", "two", "system:authenticated"]
        assert told["extra"] == {"acme.com/team": ["red"]}
        assert not [name for name in told["headers"] if name.startswith("x-remote")]

    scenario(story)


def test_forged_headers_without_a_certificate_are_anonymous(scenario):
    async def story(service):
        told = (await service.tells(None, CLAIM)).json()
        assert (told["name"], told["groups"]) == ("system:anonymous", ["system:unauthenticated"])
        assert not [name for name in told["headers"] if name.startswith("x-remote")]

    scenario(story)


def test_forged_headers_with_an_ordinary_certificate_are_that_certificates_user(scenario):
    async def story(service):
        shown = issue("bob", by=service.authorities.client_ca, organizations=("ops",))
        forged = [("X-Remote-User", "system:admin"), ("X-Remote-Group", "system:masters")]
        told = (await service.tells(shown, forged)).json()
        assert (told["name"], told["groups"]) == ("bob", ["ops", "system:authenticated"])

    scenario(story)


def test_a_proxy_through_an_intermediate_is_believed(scenario):
    async def story(service):
        between = authority("between", by=service.authorities.proxy_ca)
        assert (await service.tells(issue("front-proxy", by=between), CLAIM)).json()["name"] == "alice"

    scenario(story)


def test_a_proxy_of_another_name_is_refused(scenario):
    async def story(service):
        answer = await service.tells(issue("bob", by=service.authorities.proxy_ca), CLAIM)
        assert answer.status_code == 401
        assert answer.json()["reason"] == "Unauthorized"

    scenario(story)


@pytest.mark.parametrize("kind", ["unknown authority", "expired"])
def test_a_certificate_that_is_not_good_fails_the_handshake(scenario, kind):
    async def story(service):
        proxy_ca = service.authorities.proxy_ca
        stranger = issue("front-proxy", by=authority("proxy-ca"))
        shown = stranger if kind == "unknown authority" else issue("front-proxy", by=proxy_ca, days=(-2, -1))
        with pytest.raises(httpx.TransportError):
            await service.tells(shown, CLAIM)
        assert service.reviews.access_asked == []

    scenario(story)


def test_a_bearer_is_who_its_token_says(scenario):
    async def story(service):
        service.reviews.tokens["good"] = User("robot")
        told = (await service.tells(None, [("Authorization", "Bearer good"), *CLAIM])).json()
        assert told["name"] == "robot"
        assert "authorization" not in told["headers"]
        assert (await service.tells(None, [("Authorization", "Bearer bad")])).status_code == 401

    scenario(story)


def test_probes_need_no_credential_and_do_not_ask_the_api(scenario):
    async def story(service):
        service.reviews.down = True
        async with service.client() as client:
            for path in ("/healthz", "/livez", "/readyz"):
                assert (await client.get(path)).text == "ok"

    scenario(story)


def test_a_denial_is_worded_as_kubernetes_words_it(scenario):
    async def story(service):
        proxy = issue("front-proxy", by=service.authorities.proxy_ca)
        async with service.client(proxy, headers=CLAIM) as client:
            answer = await client.get(METRIC)
        assert answer.status_code == 403
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json() == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'gateway.external.metrics.k8s.io is forbidden: User "alice" cannot list resource "gateway" in '
            'API group "external.metrics.k8s.io" in the namespace "mcp"',
            "reason": "Forbidden",
            "details": {"group": "external.metrics.k8s.io", "kind": "gateway"},
            "code": 403,
        }

    scenario(story)


def test_the_api_down_refuses_strangers_and_serves_the_known(scenario):
    async def story(service):
        service.reviews.allowed = {("alice", "*")}
        proxy = issue("front-proxy", by=service.authorities.proxy_ca)
        async with service.client(proxy) as client:
            assert (await client.get(METRIC, headers=CLAIM)).status_code == 200
            service.reviews.down = True
            assert (await client.get(METRIC, headers=CLAIM)).status_code == 200
            refused = await client.get(METRIC, headers=[("X-Remote-User", "eve")])
        assert refused.status_code == 500
        assert refused.json()["reason"] == "InternalError"

    scenario(story)


def test_the_proxys_authority_rotates_while_running(scenario):
    async def story(service):
        old, new = service.authorities.proxy_ca, authority("new-proxy-ca")
        before, after = issue("front-proxy", by=old), issue("front-proxy", by=new)
        async with service.client(before, headers=CLAIM) as client:
            assert (await client.get("/whoami")).json()["name"] == "alice"
            with pytest.raises(httpx.TransportError):
                await service.tells(after, CLAIM)
            service.reviews.config = replace(service.reviews.config, requestheader_ca=new.pem, version="2")
            await service.keeper.refresh()
            assert (await service.tells(after, CLAIM)).json()["name"] == "alice"
            # the old one is not believed any more, not even on a connection that is still open
            assert (await client.get("/whoami")).status_code == 401
        with pytest.raises(httpx.TransportError):
            await service.tells(before, CLAIM)

    scenario(story)


def test_the_serving_certificate_is_reloaded_for_new_connections(scenario):
    async def story(service):
        new_ca = authority("new-serving-ca")
        async with service.client() as client:
            assert (await client.get("/livez")).status_code == 200
            service.authorities.serve(by=new_ca)
            assert service.tls.reload()
            assert (await client.get("/livez")).status_code == 200
        async with service.client(serving_ca=new_ca) as client:
            assert (await client.get("/livez")).status_code == 200
        with pytest.raises(httpx.ConnectError):
            async with service.client() as client:
                await client.get("/livez")
        # client certificates are still asked for
        proxy = issue("front-proxy", by=service.authorities.proxy_ca)
        async with service.client(proxy, serving_ca=new_ca) as client:
            assert (await client.get("/whoami", headers=CLAIM)).json()["name"] == "alice"

    scenario(story)


def test_requests_are_counted_by_door_and_code(scenario):
    async def story(service):
        async with service.client() as client:
            await client.get(METRIC)
            await client.get("/livez")

        def count(door, code):
            labels = {"door": door, "code": code}
            return service.registry.get_sample_value("forescale_http_requests_total", labels)

        assert (count("external_metrics", "403"), count("health", "200")) == (1, 1)

    scenario(story)
