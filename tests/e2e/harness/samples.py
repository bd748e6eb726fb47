"""The sample MCP framework as processes that send their spans to an agent collector."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.harness.collectors import Collector
from tests.e2e.harness.processes import Server

ROOT = Path(__file__).parents[3]
TOKEN = "token-of-the-test"
_READY_SECONDS = 60


@dataclass
class Program:
    """One sample: where it listens and serves its metrics, as it said itself."""

    server: Server
    url: str
    metrics_url: str

    @classmethod
    def start(cls, module: str, *words: str, folder: Path, collector: Collector, log: str = "") -> "Program":
        """Runs `python -m MODULE` and waits until it says where it listens."""
        path = folder / f"{log or module}.log"
        command = [sys.executable, "-m", module, *words]
        server = Server.start(command, log=path, env=environment(collector), cwd=ROOT)
        server.ready(lambda: announced(path), seconds=_READY_SECONDS)
        said = announced(path)
        return cls(server, said["url"], said["metrics_url"])

    def stop(self) -> None:
        """SIGTERM: it sends what it has not sent yet."""
        self.server.stop(seconds=30)


@dataclass
class Samples:
    """Registry, both servers listed in it, a client that holds streams open, and two agents that serve POST /tasks."""

    folder: Path
    collector: Collector
    registry: Program
    catalog: Program
    workshop: Program
    holder: Program
    agents: Mapping[str, Program] = field(default_factory=dict)

    @classmethod
    def start(cls, folder: Path, collector: Collector) -> "Samples":
        """All of them, the registry first."""
        (folder / "tokens").write_text(f"{TOKEN} *\n")
        (folder / "token").write_text(TOKEN)
        shared: dict[str, Any] = {"folder": folder, "collector": collector}
        registry = Program.start("examples.mcp.registry", "--token-file", str(folder / "tokens"), **shared)
        listed = ("--registry-url", registry.url, "--registry-token-file", str(folder / "token"))
        catalog = Program.start("examples.mcp.servers.catalog", *listed, **shared)
        workshop = Program.start("examples.mcp.servers.workshop", *listed, **shared)
        holder = Program.start("tests.e2e.harness.callers", "hold", catalog.url, workshop.url, log="holder", **shared)
        samples = cls(folder, collector, registry, catalog, workshop, holder)
        samples.agents = {
            era: Program.start(
                "examples.mcp.agent", "--registry-url", registry.url, "--era", era, log=f"agent-{era}", **shared
            )
            for era in ("modern", "legacy")
        }
        return samples

    @property
    def programs(self) -> list[Program]:
        """All of them, agents first: the order in which to stop."""
        return [*self.agents.values(), self.holder, self.catalog, self.workshop, self.registry]

    @property
    def metrics_urls(self) -> list[str]:
        """For Prometheus."""
        return [one.metrics_url for one in self.programs]

    def servers(self) -> list[Server]:
        """For their logs."""
        return [one.server for one in self.programs]

    def stop(self) -> None:
        """Ends all."""
        for one in self.programs:
            one.stop()

    def run_once(self, module: str, *words: str) -> list[dict[str, Any]]:
        """Runs a program to its end; gives its lines of JSON."""
        command = [sys.executable, "-m", module, *words]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(self.collector), capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def environment(collector: Collector) -> dict[str, str]:
    """OpenTelemetry's own variables; what a Deployment of a sample has, too."""

    return {
        **os.environ,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{collector.http_port}/v1/traces",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "PYTHONUNBUFFERED": "1",
    }


def announced(log: Path) -> dict[str, Any]:
    """The line in which a sample says where it is. Raises LookupError before that."""
    lines = (line for line in log.read_text().splitlines() if line.startswith('{"name"'))
    found: dict[str, Any] = json.loads(next(lines, "null") or "null") or {}
    if not found:
        raise LookupError(f"{log.name}: nothing announced yet")
    return found
