"""Who may call which tool, decided by the message itself: a stock Envoy with the generated filters, a real server.

The filters are those of the EnvoyFilter objects (tools/roles/envoy.py); what istiod makes of the AuthorizationPolicies
beside them is another file's matter.
"""

import json
from collections.abc import Iterator

import httpx
import jwt
import pytest
from mcp.client import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from tests.e2e.harness.standalone_envoy import Envoy, jwt_filter, parser
from tests.e2e.mesh.messages import LEGACY, MODERN, Caller
from tests.e2e.mesh.tokens import KEY_ID, Issuer
from tests.e2e.mesh.tool_server import Tools
from tools.roles import envoy as filters
from tools.roles.table import Table

READ, WRITE = "mcp:read", "mcp:write"
ERAS = ("modern", "legacy")
TABLE = Table.read()
WORKSHOP = next(one for one in TABLE.servers if one.workload == "mcp-workshop")


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer(TABLE.tokens.issuer, TABLE.tokens.roles_claim)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    running = Tools.start(tmp_path_factory.mktemp("tools"), [*WORKSHOP.tools, "unlisted"])
    yield running
    running.server.stop()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, tools: Tools, issuer: Issuer) -> Iterator[Envoy]:
    running = Envoy(
        tmp_path_factory.mktemp("envoy"),
        upstream_port=tools.port,
        filters=[
            jwt_filter(issuer=issuer.url, audience=WORKSHOP.resource, jwks=issuer.jwks),
            parser(),
            filters.roles_filter(TABLE, WORKSHOP),
            filters.scopes_filter(TABLE, WORKSHOP),
        ],
        routes=[filters.metadata_route(TABLE, WORKSHOP)],
        hcm={"local_reply_config": filters.local_replies(WORKSHOP, scope_policies=dict.fromkeys(WORKSHOP.scopes, ()))},
    )
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20) as one:
        yield one


@pytest.fixture
def anybody(proxy: Envoy, client: httpx.Client) -> Caller:
    return Caller(client, f"{proxy.url}{WORKSHOP.path}")


@pytest.fixture
def reader(anybody: Caller, issuer: Issuer) -> Caller:
    return with_token(anybody, issuer.token("reader", audience=WORKSHOP.resource, scope=f"{READ} {WRITE}"))


@pytest.fixture
def operator(anybody: Caller, issuer: Issuer) -> Caller:
    return with_token(anybody, issuer.token("operator", audience=WORKSHOP.resource, scope=f"{READ} {WRITE}"))


def with_token(caller: Caller, token: str) -> Caller:
    return Caller(caller.client, caller.url, token)


def challenge(answer: httpx.Response) -> str:
    return answer.headers.get("www-authenticate", "")


@pytest.mark.parametrize("era", ERAS)
def test_a_role_calls_its_tools_and_no_others(reader: Caller, operator: Caller, tools: Tools, era: str) -> None:
    before = tools.executed("make")
    assert reader.call(era, "bench").status_code == 200
    refused = reader.call(era, "make")
    assert (refused.status_code, tools.executed("make")) == (403, before)
    assert operator.call(era, "make").status_code == 200
    assert tools.executed("make") == before + 1


@pytest.mark.parametrize("era", ERAS)
def test_a_tool_that_the_table_does_not_name_is_called_by_nobody(operator: Caller, tools: Tools, era: str) -> None:
    assert operator.call(era, "unlisted").status_code == 403
    assert tools.executed("unlisted") == 0


@pytest.mark.parametrize("era", ERAS)
def test_a_role_sends_its_methods_and_no_others(reader: Caller, era: str) -> None:
    assert {"modern": reader.modern, "legacy": reader.legacy}[era]("tools/list").status_code == 200
    send = {"modern": reader.modern, "legacy": reader.legacy}[era]
    assert send("logging/setLevel", {"level": "debug"}).status_code == 403


FORGED = (
    {"mcp_method": "tools/list"},
    {"mcp_name": "bench"},
    {"mcp_method": "tools/call", "mcp_name": "bench"},
    {"mcp_protocol_version": LEGACY, "mcp_method": "tools/call", "mcp_name": "bench"},
    {"mcp_protocol_version": MODERN, "mcp_method": "tools/call", "mcp_name": "bench"},
    {"mcp_name": "=?base64?YmVuY2g=?="},
)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("headers", FORGED, ids=lambda one: ",".join(one))
def test_forged_headers_gain_nothing(reader: Caller, tools: Tools, era: str, headers: dict[str, str]) -> None:
    before = tools.executed("make")
    assert reader.call(era, "make", **headers).status_code in (400, 403)
    assert tools.executed("make") == before


CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}'
FILL = (
    '{"name":"bench","arguments":{"x":"' + "y" * parser()["typed_config"]["max_request_body_size"] + '"},"name":"make"}'
)
AMBIGUOUS = {
    "the name twice, the forbidden one last": CALL % '{"name":"bench","arguments":{},"name":"make"}',
    "the name twice, the forbidden one first": CALL % '{"name":"make","arguments":{},"name":"bench"}',
    "the name twice, once escaped": CALL % r'{"name":"bench","arguments":{},"n\u0061me":"make"}',
    "params twice": CALL % '{"name":"bench"},"params":{"name":"make"}',
    "the method twice": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"make"},"method":"tools/call"}',
    "the forbidden name beyond the limit": CALL % FILL,
    "a number that is none in JSON": CALL % '{"name":"make","arguments":{"x":NaN}}',
    "a batch": "[" + CALL % '{"name":"make","arguments":{}}' + "]",
    "something behind it": (CALL % '{"name":"bench","arguments":{}}') + CALL % '{"name":"make","arguments":{}}',
    "a name that is a list": CALL % '{"name":["make"],"arguments":{}}',
    "another encoding": (CALL % '{"name":"make","arguments":{}}').encode("utf-16"),
}


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_can_be_read_in_two_ways_is_refused(reader: Caller, tools: Tools, body: str | bytes) -> None:
    before = tools.executed("make")
    session = reader.initialize().headers["mcp-session-id"]
    answer = reader.send(body, mcp_session_id=session, mcp_protocol_version=LEGACY)
    assert answer.status_code == 403, answer.text
    assert tools.executed("make") == before


@pytest.mark.parametrize("kind", ["text/plain", "Application/JSON", "application/x-www-form-urlencoded"])
def test_a_message_that_is_not_declared_as_json_is_refused(reader: Caller, kind: str) -> None:
    assert reader.send(CALL % '{"name":"bench","arguments":{}}', content_type=kind).status_code == 403


@pytest.mark.parametrize("path", ["/%6dcp", "//mcp", "/mcp/", "/MCP", "/mcp/../mcp/x", "/x/../mcp", "/other"])
def test_no_spelling_of_the_path_leads_around_the_roles(proxy: Envoy, reader: Caller, tools: Tools, path: str) -> None:
    before = tools.executed("make")
    assert Caller(reader.client, proxy.url + path, reader.token).call("modern", "make").status_code == 403
    assert tools.executed("make") == before


def test_an_escaped_message_is_read_as_the_server_reads_it(reader: Caller, operator: Caller) -> None:
    body = r'{"jsonrpc":"2.0","id":1,"meth\u006fd":"tools\/call","params":{"n\u0061me":"m\u0061ke","arguments":{}}}'
    for caller, expected in ((reader, 403), (operator, 200)):
        session = caller.initialize().headers["mcp-session-id"]
        assert caller.send(body, mcp_session_id=session, mcp_protocol_version=LEGACY).status_code == expected


def test_without_a_token_one_is_asked_for(anybody: Caller) -> None:
    answer = anybody.call("modern", "bench")
    assert answer.status_code == 401
    assert challenge(answer) == f'Bearer resource_metadata="{WORKSHOP.metadata_url}"'


@pytest.mark.parametrize("value", ["Basic b3BlcmF0b3I6eA==", "Bearer", ""])
def test_what_is_no_bearer_token_counts_as_none(anybody: Caller, value: str) -> None:
    answer = anybody.call("modern", "bench", authorization=value)
    assert (answer.status_code, challenge(answer)) == (401, f'Bearer resource_metadata="{WORKSHOP.metadata_url}"')


def wrong_tokens(issuer: Issuer) -> dict[str, str]:
    audience = WORKSHOP.resource
    unsigned = jwt.encode({"iss": issuer.url, "aud": audience, "roles": ["operator"]}, None, algorithm="none")
    stranger = Issuer(issuer.url)
    return {
        "expired": issuer.token("operator", audience=audience, scope=WRITE, lives_seconds=-120),
        "for another server": issuer.token("operator", audience="https://catalog.mcp.example.com/mcp", scope=WRITE),
        "by another key": stranger.token("operator", audience=audience, scope=WRITE),
        "of another issuer": Issuer("https://elsewhere.example.com", key=issuer.key).token(
            "operator", audience=audience
        ),
        "not signed": unsigned,
        "signed with the public key": jwt.encode(
            {"iss": issuer.url, "aud": audience, "roles": ["operator"]}, "x" * 32, headers={"kid": KEY_ID}
        ),
        "no token": "rubbish",
    }


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("wrong", wrong_tokens(Issuer(TABLE.tokens.issuer)))
def test_a_token_that_is_not_good_is_401(anybody: Caller, issuer: Issuer, era: str, wrong: str) -> None:
    answer = with_token(anybody, wrong_tokens(issuer)[wrong]).call(era, "bench")
    assert answer.status_code == 401, answer.text
    assert challenge(answer) == f'Bearer error="invalid_token", resource_metadata="{WORKSHOP.metadata_url}"'


@pytest.mark.parametrize("era", ERAS)
def test_a_token_without_the_scope_is_told_which_one(anybody: Caller, issuer: Issuer, tools: Tools, era: str) -> None:
    narrow = with_token(anybody, issuer.token("operator", audience=WORKSHOP.resource, scope=READ))
    before = tools.executed("make")
    assert narrow.call(era, "bench").status_code == 200
    answer = narrow.call(era, "make")
    assert (answer.status_code, tools.executed("make")) == (403, before)
    told = f'Bearer error="insufficient_scope", scope="{WRITE}", resource_metadata="{WORKSHOP.metadata_url}"'
    assert challenge(answer) == told


@pytest.mark.parametrize("scope", ["", "mcp:writer", "xmcp:write", "mcp:read,mcp:write"])
def test_a_scope_that_only_looks_like_it_is_not_it(anybody: Caller, issuer: Issuer, scope: str) -> None:
    narrow = with_token(anybody, issuer.token("operator", audience=WORKSHOP.resource, scope=scope))
    assert f'scope="{WRITE}"' in challenge(narrow.call("modern", "make"))


@pytest.mark.parametrize("era", ERAS)
def test_who_may_never_call_a_tool_is_not_sent_for_its_scope(anybody: Caller, issuer: Issuer, era: str) -> None:
    poor = with_token(anybody, issuer.token("reader", audience=WORKSHOP.resource, scope=READ))
    answer = poor.call(era, "make")
    assert (answer.status_code, challenge(answer)) == (403, "")


def test_the_metadata_document_is_open_to_everybody_and_names_the_scopes(proxy: Envoy, client: httpx.Client) -> None:
    answer = client.get(proxy.url + WORKSHOP.metadata_path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document = json.loads(answer.text)
    assert document["resource"] == WORKSHOP.resource
    assert document["authorization_servers"] == [TABLE.tokens.issuer]
    assert document["scopes_supported"] == [READ, WRITE]


def test_with_a_bad_token_one_can_still_read_where_to_get_a_good_one(proxy: Envoy, client: httpx.Client) -> None:
    answer = client.get(proxy.url + WORKSHOP.metadata_path, headers={"authorization": "Bearer rubbish"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/mcp/x", "/.well-known/oauth-protected-resource"])
def test_a_role_opens_the_endpoint_and_nothing_beside_it(reader: Caller, proxy: Envoy, path: str) -> None:
    answer = reader.client.get(proxy.url + path, headers={"authorization": f"Bearer {reader.token}"})
    assert answer.status_code == 403


def test_only_reading_the_document_is_open(proxy: Envoy, client: httpx.Client) -> None:
    assert client.post(proxy.url + WORKSHOP.metadata_path, content="{}").status_code == 401


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_the_sdks_own_client_works_in_both_eras(reader: Caller, tools: Tools, mode: str) -> None:
    before = tools.executed("bench")
    async with (
        create_mcp_http_client(headers={"authorization": f"Bearer {reader.token}"}) as http,
        Client(streamable_http_client(reader.url, http_client=http), mode=mode) as one,
    ):
        assert not (await one.call_tool("bench", {})).is_error
        assert "bench" in {tool.name for tool in (await one.list_tools()).tools}
    assert tools.executed("bench") == before + 1


def test_a_forged_claim_outside_of_the_token_is_not_seen(anybody: Caller, issuer: Issuer) -> None:
    nobody = with_token(anybody, issuer.token(audience=WORKSHOP.resource, scope=READ))
    assert nobody.call("modern", "bench", roles="operator", x_jwt_payload="operator").status_code == 403
