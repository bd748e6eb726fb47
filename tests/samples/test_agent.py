"""The agent: what it plans, and what becomes of a task when all is well and when something is not."""

import httpx
import pytest

from examples.mcp.agent.app import create_app
from examples.mcp.agent.planning import NoToolError, Step, plan
from examples.mcp.agent.tasks import Agent
from examples.mcp.registry.client import RegistryClient
from examples.mcp.servers.hosting import Replica
from examples.mcp.servers.listing import Listing
from tests.samples.doubles import TOKEN
from tests.samples.test_servers import catalog, workshop

TOOLS = {"catalog": ["search", "lookup", "convert"], "workshop": ["make", "fail"]}
CATALOG, WORKSHOP = "io.forescale.examples/catalog", "io.forescale.examples/workshop"


@pytest.mark.parametrize(
    ("task", "tools"),
    [
        ("cheap screws", ["search"]),
        ("the mass of M6x20-A2 please", ["search", "lookup"]),
        ("how long is an inch", ["search", "convert"]),
        ("make two of m8x30-12.9", ["search", "lookup", "make"]),
    ],
)
def test_a_plan_takes_the_tools_that_the_words_ask_for(task, tools):
    assert [step.tool for step in plan(task, tools=TOOLS)] == tools


def test_a_step_goes_to_the_server_that_has_the_tool():
    assert plan("make it", tools=TOOLS)[-1] == Step("workshop", "make", {"part": "make it", "seconds": 0.2, "steps": 2})


def test_what_no_server_can_do_is_left_out():
    assert [step.tool for step in plan("make M6x20-A2", tools={"catalog": ["search"]})] == ["search"]


def test_without_any_tool_there_is_no_plan():
    with pytest.raises(NoToolError):
        plan("screws", tools={"workshop": ["make"]})


@pytest.fixture
async def registry_url(serve, registry_app):
    """A registry in which a catalogue and a workshop are listed, which run."""
    url = await serve(registry_app)
    for name, builder in ((CATALOG, catalog), (WORKSHOP, workshop)):
        app, streams = builder(Replica(name))
        address = f"{await serve(app, streams.close)}/mcp"
        await listed(url, name, address)
    return url


async def listed(registry_url, name, address):
    """Lists a server."""
    client = RegistryClient(registry_url, token=TOKEN)
    await client.announce(Listing(name, name.partition("/")[2], "A server.", "1.0.0", address).document())
    await client.close()


@pytest.fixture
async def agent(registry_url):
    agent = Agent(RegistryClient(registry_url), call_timeout_seconds=10)
    yield agent
    await agent.registry.close()


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_task_goes_across_the_servers_that_the_registry_names(registry_url, era):
    agent = Agent(RegistryClient(registry_url), era=era)
    result = await agent.run("make M6x20-A2")
    assert (result.ok, result.error) == (True, None)
    assert [(step.server, step.tool) for step in result.steps] == [
        (CATALOG, "search"),
        (CATALOG, "lookup"),
        (WORKSHOP, "make"),
    ]
    assert result.steps[1].content["mass_g"] == pytest.approx(7.44)
    await agent.registry.close()


async def test_a_step_that_fails_leaves_the_others_done(agent):
    result = await agent.run("look M1x1-gold up")
    assert not result.ok
    assert [step.error is None for step in result.steps] == [True, False]
    assert "search for it" in result.steps[1].error


async def test_a_server_that_is_listed_and_gone_fails_the_task_with_its_reason(registry_url, agent):
    await listed(registry_url, "io.forescale.examples/gone", "http://127.0.0.1:1/mcp")
    result = await agent.run("screws")
    assert not result.ok
    assert "connect" in result.error.lower()


async def test_a_registry_that_is_gone_fails_the_task_with_its_reason():
    agent = Agent(RegistryClient("http://127.0.0.1:1"))
    result = await agent.run("screws")
    assert (result.ok, result.error.partition(":")[0]) == (False, "ConnectError")
    await agent.registry.close()


async def test_the_service_answers_with_what_the_task_gave(agent):
    async with client_of(create_app(agent, most_at_a_time=2)) as client:
        well = await client.post("/tasks", json={"task": "screws"})
        ill = await client.post("/tasks", json={"task": "M1x1-gold"})
        empty = await client.post("/tasks", json={"task": ""})
    assert (well.status_code, well.json()["ok"]) == (200, True)
    assert (ill.status_code, ill.json()["ok"]) == (502, False)
    assert empty.status_code == 422


async def test_more_tasks_than_it_takes_are_told_to_come_back(agent):
    async with client_of(create_app(agent, most_at_a_time=0)) as client:
        answer = await client.post("/tasks", json={"task": "screws"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert (await client.get("/readyz")).status_code == 200


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent.test", timeout=20)
