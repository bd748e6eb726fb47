"""The two MCP servers, asked by the SDK's own client over loopback HTTP, in both eras."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from mcp.client import Client
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from examples.mcp.registry.client import RegistryClient
from examples.mcp.servers.catalog.server import create_app as catalog_app
from examples.mcp.servers.catalog.server import create_server as catalog_server
from examples.mcp.servers.hosting import Replica, Streams
from examples.mcp.servers.listing import Listing
from examples.mcp.servers.workshop.server import BENCH_URI
from examples.mcp.servers.workshop.server import create_app as workshop_app
from examples.mcp.servers.workshop.server import create_server as workshop_server
from tests.samples.doubles import TOKEN

KEY = b"k" * 32
ORDER = {"sku": "M6x20-A2", "quantity": 10}
both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])


def catalog(replica, **surroundings):
    streams = Streams()
    return catalog_app(catalog_server(replica, **surroundings), replica, streams), streams


def workshop(replica, **surroundings):
    streams = Streams()
    server = workshop_server(replica, streams, **surroundings)
    return workshop_app(server, replica, streams, session_idle_seconds=60), streams


@pytest.fixture
async def catalog_url(serve):
    app, streams = catalog(Replica("catalog-7"))
    return f"{await serve(app, streams.close)}/mcp"


@pytest.fixture
async def workshop_url(serve):
    app, streams = workshop(Replica("workshop-7"))
    return f"{await serve(app, streams.close)}/mcp"


@both_eras
async def test_the_catalogue_finds_looks_up_and_converts(catalog_url, mode):
    async with Client(catalog_url, mode=mode) as client:
        found = await client.call_tool("search", {"words": "m6x20 stainless", "limit": 2})
        assert [one["sku"] for one in found.structured_content["items"]] == ["M6x20-A2", "M3x10-A2"]
        item = await client.call_tool("lookup", {"sku": "m8x30-12.9"})
        assert item.structured_content["material"] == "black alloy steel"
        inch = await client.call_tool("convert", {"value": 2, "given": "in", "wanted": "mm"})
        assert inch.structured_content == {"value": pytest.approx(50.8), "unit": "mm"}
        assert (await client.call_tool("whoami")).structured_content == {"result": "catalog-7"}


@both_eras
@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("lookup", {"sku": "M1x1-gold"}, "search for it"),
        ("convert", {"value": 1, "given": "in", "wanted": "kg"}, "length: mm"),
        ("search", {"words": "x" * 201}, "200"),
        ("find_servers", {"words": "a"}, "without a registry"),
    ],
)
async def test_a_call_that_cannot_succeed_says_what_to_do(catalog_url, mode, tool, arguments, told):
    async with Client(catalog_url, mode=mode) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert told in result.content[0].text


async def test_the_catalogue_keeps_no_session_for_legacy_clients(catalog_url):
    async with httpx.AsyncClient() as client:
        initialize = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        }
        headers = {"Accept": "application/json, text/event-stream"}
        answer = await client.post(catalog_url, json=initialize, headers=headers)
    assert answer.status_code == 200
    assert "mcp-session-id" not in answer.headers


async def test_an_order_is_confirmed_on_another_replica_with_the_same_key(serve):
    async with replicas(serve, KEY, KEY) as (first, second):
        question = await first.session.call_tool("order", ORDER, allow_input_required=True)
        answered = await confirmed(second, question)
    assert answered.structured_content == {**ORDER, "mass_g": pytest.approx(74.4)}


async def test_an_order_cannot_be_confirmed_where_the_key_is_another(serve):
    async with replicas(serve, KEY, KEY[::-1] + b"x") as (first, second):
        question = await first.session.call_tool("order", ORDER, allow_input_required=True)
        with pytest.raises(MCPError) as refused:
            await confirmed(second, question)
    assert refused.value.error.code == -32602


@asynccontextmanager
async def replicas(serve, *keys):
    """A client of each of two replicas; the tests answer questions by themselves."""

    async def never(*_):
        raise AssertionError

    async with AsyncExitStack() as stack:
        clients = []
        for number, key in enumerate(keys):
            app, streams = catalog(Replica(f"catalog-{number}", state_key=key))
            url = f"{await serve(app, streams.close)}/mcp"
            clients.append(await stack.enter_async_context(Client(url, elicitation_callback=never)))
        yield clients


async def confirmed(client, question):
    """Answers what another replica asked."""
    answers = dict.fromkeys(question.input_requests, ElicitResult(action="accept", content={"confirmed": True}))
    return await client.session.call_tool("order", ORDER, input_responses=answers, request_state=question.request_state)


@pytest.mark.parametrize(
    ("host", "status"), [("catalog.mcp.svc", 200), ("catalog.mcp.svc:8080", 200), ("evil.test", 421)]
)
async def test_a_server_answers_only_under_its_own_names(serve, host, status):
    app, streams = catalog(Replica("catalog-0", allowed_hosts=("catalog.mcp.svc",)))
    url = await serve(app, streams.close)
    async with httpx.AsyncClient() as client:
        headers = {"Host": host, "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        answer = await client.post(f"{url}/mcp", json=body, headers=headers)
    assert answer.status_code == status


def test_a_short_key_of_request_state_is_refused(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(b"short\n")
    with pytest.raises(ValueError, match="32 bytes"):
        Replica.of("catalog-0", [], file)


async def test_probes_are_answered(catalog_url, workshop_url):
    async with httpx.AsyncClient() as client:
        for url in (catalog_url, workshop_url):
            for path in ("/livez", "/readyz"):
                assert (await client.get(url.replace("/mcp", path))).status_code == 200


async def test_a_server_lists_itself_and_finds_others_through_the_registry(serve, registry_app):
    registry_url = await serve(registry_app)
    listing = Listing("io.forescale.examples/catalog", "Catalogue", "Screws.", "1.0.0", "http://127.0.0.1:1/mcp")
    for address in ("http://127.0.0.1:1/mcp", "http://127.0.0.1:2/mcp"):  # again, after it has moved
        moved = Listing(**{**vars(listing), "public_url": address})
        app, streams = catalog(Replica("catalog-0"), registry=RegistryClient(registry_url, token=TOKEN), listing=moved)
        url = await serve(app, streams.close)
    async with Client(f"{url}/mcp") as client:
        found = await client.call_tool("find_servers", {"words": "screws"})
    assert [(one["name"], one["url"]) for one in found.structured_content["servers"]] == [(listing.name, address)]


async def test_a_server_works_before_its_registry_does(serve):
    listing = Listing("io.forescale.examples/catalog", "Catalogue", "Screws.", "1.0.0", "http://127.0.0.1:1/mcp")
    app, streams = catalog(Replica("c"), registry=RegistryClient("http://127.0.0.1:1", token=TOKEN), listing=listing)
    async with Client(f"{await serve(app, streams.close)}/mcp") as client:
        assert not (await client.call_tool("whoami")).is_error
        result = await client.call_tool("find_servers", {"words": "screws"})
    assert "does not answer" in result.content[0].text


@both_eras
async def test_making_a_part_reports_progress_after_each_step(workshop_url, mode):
    told = []

    async def progress(done, total, _):
        told.append((done, total))

    async with Client(workshop_url, mode=mode) as client:
        arguments = {"part": "bolt", "seconds": 0.05, "steps": 3}
        made = await client.call_tool("make", arguments, progress_callback=progress)
    assert made.structured_content == {"part": "bolt", "steps": 3}
    assert told == [(1, 3), (2, 3), (3, 3)]


@both_eras
async def test_a_call_that_the_client_gives_up_stops_in_the_server(serve, mode):
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def work(_):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    app, streams = workshop(Replica("workshop-0"), sleep=work)
    url = f"{await serve(app, streams.close)}/mcp"
    async with Client(url, mode=mode) as client:
        call = asyncio.create_task(client.call_tool("make", {"part": "bolt"}))
        await asyncio.wait_for(begun.wait(), 10)
        assert not stopped.is_set()
        call.cancel()
        await asyncio.wait_for(stopped.wait(), 10)


async def test_each_session_has_a_bench_of_its_own(workshop_url):
    async with Client(workshop_url, mode="legacy") as one, Client(workshop_url, mode="legacy") as other:
        for part in ("bolt", "nut"):
            await one.call_tool("put", {"part": part})
        await other.call_tool("put", {"part": "washer"})
        assert (await one.call_tool("bench")).structured_content == {"parts": ["bolt", "nut"]}
        assert (await other.call_tool("bench")).structured_content == {"parts": ["washer"]}


async def test_without_a_session_there_is_no_bench(workshop_url):
    async with Client(workshop_url) as client:
        result = await client.call_tool("put", {"part": "bolt"})
    assert "initialize" in result.content[0].text


@both_eras
async def test_each_kind_of_failure_can_be_asked_for(workshop_url, mode):
    async with Client(workshop_url, mode=mode) as client:
        said = await client.call_tool("fail")
        crashed = await client.call_tool("fail", {"kind": "crash"})
        assert (said.is_error, crashed.is_error) == (True, True)
        assert "asked to fail" in said.content[0].text
        assert "asked" not in crashed.content[0].text
        with pytest.raises(MCPError, match="asked to fail"):
            await client.call_tool("fail", {"kind": "protocol"})
        assert (await client.call_tool("flaky", {"share": 1})).is_error
        assert not (await client.call_tool("flaky", {"share": 0})).is_error


async def test_who_listens_is_told_what_changes_and_at_the_end_that_it_is_over(serve):
    app, streams = workshop(Replica("workshop-0"))
    url = f"{await serve(app, streams.close)}/mcp"
    async with (
        Client(url) as listener,
        Client(url, mode="legacy") as worker,
        listener.listen(resource_subscriptions=[BENCH_URI]) as events,
    ):
        await worker.call_tool("put", {"part": "bolt"})
        assert await anext(events) == ResourceUpdated(BENCH_URI)
        streams.close()
        assert await asyncio.wait_for(anext(events, None), 10) is None  # and no SubscriptionLost


async def test_at_the_end_a_standing_stream_of_a_session_is_finished_not_cut(serve):
    app, streams = workshop(Replica("workshop-0"))
    url = f"{await serve(app, streams.close)}/mcp"
    async with httpx.AsyncClient(timeout=10) as client:
        headers = await session_headers(client, url)
        async with client.stream("GET", url, headers=headers) as stream:
            assert stream.status_code == 200
            streams.close()
            assert [line async for line in stream.aiter_lines() if line] == []  # and no RemoteProtocolError


async def session_headers(client, url):
    """Of a session opened by hand."""
    accept = {"Accept": "application/json, text/event-stream"}
    parameters = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    opened = await client.post(
        url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters}, headers=accept
    )
    headers = accept | {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
    await client.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
    return headers
