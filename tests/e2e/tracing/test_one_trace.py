"""A task of an agent that calls a server that asks the registry is one trace in Jaeger, in both eras, also by Envoy."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from examples.mcp.servers.catalog.server import NAME as CATALOG
from tests.e2e.harness.jaeger import Span
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.proxy import SERVICE as PROXY
from tests.e2e.harness.proxy import Proxy
from tests.e2e.harness.samples import Program, Samples
from tests.e2e.tracing.conftest import Chain

TASK = "convert an inch, find a server"
TOOLS = ("search", "convert", "find_servers")


@dataclass(frozen=True)
class Trace:
    """All spans of one task."""

    spans: list[Span]

    def one(self, name: str, *, service: str, kind: str) -> Span:
        found = [span for span in self.spans if (span.name, span.service, span.kind) == (name, service, kind)]
        assert len(found) == 1, f"{len(found)} spans {name} of {service} in\n{self.drawn()}"
        return found[0]

    def parent(self, span: Span) -> Span | None:
        return next((one for one in self.spans if one.span_id == span.parent_id), None)

    def ancestors(self, span: Span) -> list[tuple[str, str]]:
        """Service and name of each, from the parent to the root."""
        above = self.parent(span)
        return [] if above is None else [(above.service, above.name), *self.ancestors(above)]

    def drawn(self) -> str:
        """As a tree, for a failed test's eyes."""
        return "\n".join(self._branch("", 0)) or "nothing"

    def _branch(self, parent_id: str, depth: int) -> Iterator[str]:
        known = {span.span_id for span in self.spans}
        for span in self.spans:
            if span.parent_id == parent_id or (not parent_id and span.parent_id not in known):
                yield f"{'  ' * depth}{span.service}: {span.name} [{span.kind}] links {len(span.links)}"
                yield from self._branch(span.span_id, depth + 1)


@pytest.fixture(scope="module")
def proxy(samples: Samples, chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    started = Proxy(folder, samples.catalog.url, chain.agent.grpc_port).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def proxied_registry(proxy: Proxy, samples: Samples) -> Iterator[str]:
    """A registry that lists the catalogue by Envoy's address."""
    seed = proxy.folder / "seed.json"
    remote = {"type": "streamable-http", "url": proxy.url}
    document = {"name": CATALOG, "description": "By Envoy.", "version": "1.0.0", "remotes": [remote]}
    seed.write_text(json.dumps([document]))
    started = Program.start(
        "examples.mcp.registry", "--seed", str(seed), folder=proxy.folder, collector=samples.collector
    )
    yield started.url
    started.stop()


@pytest.fixture(scope="module", params=["modern", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def traced(samples: Samples, chain: Chain, *, registry_url: str, era: str) -> Trace:
    """The trace of one task, once its root and what calls link to are there and two looks saw the same."""
    (result,) = samples.run_once(
        "examples.mcp.agent", "--registry-url", registry_url, "--era", era, "--tasks", "1", "--task", TASK
    )
    assert result["ok"], result

    seen = [0]

    def whole() -> Trace | None:
        found = Trace(chain.jaeger.trace(result["trace_id"]))
        seen.append(len(found.spans))
        assert any(span.name == "agent.task" for span in found.spans), f"only\n{found.drawn()}"
        links = {linked for span in found.spans if span.name.startswith("tools/call ") for _, linked in span.links}
        assert links <= {span.span_id for span in found.spans}, f"Envoy's spans are missing in\n{found.drawn()}"
        return found if seen[-1] == seen[-2] else None

    return wait_until(whole, seconds=40, what="the whole trace is in Jaeger")


@pytest.fixture(scope="module")
def direct(samples: Samples, chain: Chain, era: str) -> Trace:
    """Two servers, no proxy."""
    return traced(samples, chain, registry_url=samples.registry.url, era=era)


@pytest.fixture(scope="module")
def by_envoy(samples: Samples, chain: Chain, proxied_registry: str, era: str) -> Trace:
    """One server, behind Envoy."""
    return traced(samples, chain, registry_url=proxied_registry, era=era)


@pytest.mark.parametrize("way", ["direct", "by_envoy"])
def test_every_span_hangs_below_the_agents_task(request: pytest.FixtureRequest, way: str, era: str) -> None:
    trace: Trace = request.getfixturevalue(way)
    task = trace.one("agent.task", service="mcp-agent", kind="INTERNAL")
    assert task.parent_id == ""
    for span in trace.spans:
        assert span is task or trace.ancestors(span)[-1] == ("mcp-agent", "agent.task"), trace.drawn()
    assert {span.service for span in trace.spans} >= {"mcp-agent", "mcp-catalog", "mcp-registry"}


@pytest.mark.parametrize("way", ["direct", "by_envoy"])
@pytest.mark.parametrize("tool", TOOLS)
def test_a_call_is_a_clients_span_and_below_it_the_servers_by_the_same_name(
    request: pytest.FixtureRequest, way: str, era: str, tool: str
) -> None:
    trace: Trace = request.getfixturevalue(way)
    sent = trace.one(f"tools/call {tool}", service="mcp-agent", kind="CLIENT")
    received = trace.one(f"tools/call {tool}", service="mcp-catalog", kind="SERVER")
    assert trace.parent(received) == sent, trace.drawn()
    assert trace.ancestors(sent) == [("mcp-agent", "agent.task")]
    for span in (sent, received):
        assert span.attributes["mcp.method.name"] == "tools/call"
        assert span.attributes["gen_ai.tool.name"] == tool


@pytest.mark.parametrize("way", ["direct", "by_envoy"])
def test_the_registrys_work_is_below_the_tool_that_asked_it(request: pytest.FixtureRequest, way: str, era: str) -> None:
    trace: Trace = request.getfixturevalue(way)
    ranks = [trace.ancestors(span) for span in trace.spans if span.name == "registry.search.rank"]
    assert [
        ("mcp-registry", "GET /v0.1/servers"),
        ("mcp-catalog", "GET"),
        ("mcp-catalog", "tools/call find_servers"),
        ("mcp-agent", "tools/call find_servers"),
        ("mcp-agent", "agent.task"),
    ] in ranks
    assert [("mcp-registry", "GET /v0.1/servers"), ("mcp-agent", "GET"), ("mcp-agent", "agent.task")] in ranks


def test_each_era_shakes_hands_in_its_own_way(direct: Trace, era: str) -> None:
    methods = {span.attributes.get("mcp.method.name") for span in direct.spans}
    assert methods & {"server/discover", "initialize"} == {"server/discover" if era == "modern" else "initialize"}
    versions = {span.attributes.get("mcp.protocol.version") for span in direct.spans if span.name.startswith("tools/")}
    assert (versions == {"2026-07-28"}) is (era == "modern")


@pytest.mark.parametrize("tool", TOOLS)
def test_envoys_span_is_the_clients_child_and_the_servers_link(by_envoy: Trace, tool: str) -> None:
    """The message says who called, the HTTP header through whom."""
    sent = by_envoy.one(f"tools/call {tool}", service="mcp-agent", kind="CLIENT")
    received = by_envoy.one(f"tools/call {tool}", service="mcp-catalog", kind="SERVER")
    ((_, linked),) = received.links
    (proxied,) = (span for span in by_envoy.spans if span.span_id == linked)
    assert proxied.service == PROXY
    assert by_envoy.parent(proxied) == sent, by_envoy.drawn()


def test_without_a_proxy_there_is_nothing_to_link(direct: Trace) -> None:
    assert [span.name for span in direct.spans if span.links] == []


def test_what_the_collector_knows_is_on_every_span(direct: Trace) -> None:
    assert {span.resource.get("k8s.cluster.name") for span in direct.spans} == {"loopback"}
