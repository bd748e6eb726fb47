"""Agent collector, gateway collector and Jaeger, each a real process with the shipped configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import collectors
from tests.e2e.harness.collectors import Collector
from tests.e2e.harness.jaeger import Jaeger
from tests.e2e.harness.processes import Server, free_port
from tests.e2e.harness.prometheus import Prometheus
from tests.e2e.harness.samples import Samples


@dataclass
class Chain:
    """agent -> gateway -> Jaeger."""

    agent: Collector
    gateway: Collector
    jaeger: Jaeger

    @classmethod
    def start(
        cls, folder: Path, *, tree: str = "collector/base", prometheus_url: str = "http://127.0.0.1:9"
    ) -> "Chain":
        """All three, in the order in which none has to wait for another."""
        jaeger = Jaeger(folder / "jaeger", prometheus_url=prometheus_url)
        gateway = collectors.gateway(folder / "gateway", jaeger_port=jaeger.otlp_port, tree=tree)
        chain = cls(collectors.agent(folder / "agent", gateway_port=gateway.grpc_port), gateway, jaeger)
        try:
            for one in (jaeger, gateway, chain.agent):
                one.start()
        except BaseException:
            chain.stop()
            raise
        return chain

    def stop(self) -> None:
        """In the direction of flow."""
        for one in (self.agent, self.gateway, self.jaeger):
            one.stop()

    def servers(self) -> list[Server]:
        """For their logs."""
        return [one.server for one in (self.agent, self.gateway, self.jaeger) if one.server is not None]


@pytest.fixture(scope="session")
def prometheus_port() -> int:
    """Known before Prometheus runs: Jaeger is told it, and Prometheus is told Jaeger's."""
    return free_port()


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, prometheus_port: int) -> Iterator[Chain]:
    started = Chain.start(tmp_path_factory.mktemp("chain"), prometheus_url=f"http://127.0.0.1:{prometheus_port}")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def samples(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samples]:
    """Registry, both servers, and an agent for each era, sending their spans to the agent collector."""
    started = Samples.start(tmp_path_factory.mktemp("samples"), chain.agent)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def prometheus(
    chain: Chain, samples: Samples, prometheus_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Scrapes everything that runs here."""
    jobs = {
        "samples": [url.split("/")[2] for url in samples.metrics_urls],
        "collectors": [f"127.0.0.1:{one.metrics_port}" for one in (chain.agent, chain.gateway, chain.jaeger)],
        "span-metrics": [f"127.0.0.1:{chain.gateway.span_metrics_port}"],
    }
    started = Prometheus(tmp_path_factory.mktemp("prometheus"), jobs=jobs, port=prometheus_port, scrape_seconds=3)
    yield started.start()
    started.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows the end of every server's log."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if not report.failed:
        return
    for used in getattr(item, "funcargs", {}).values():
        if isinstance(used, Chain | Samples):
            for server in used.servers():
                report.sections.append((f"log of {server.log.parent.name}/{server.name}", server.tail()))
