"""A real Jaeger on loopback with the shipped configuration and badger in a folder that outlives it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.harness import shipped
from tests.e2e.harness.processes import Server, free_port, wait_until
from tests.e2e.harness.shipped import Config
from tests.e2e.parts.build import binary

HOST = "127.0.0.1"
TREE = "jaeger/base"


@dataclass(frozen=True)
class Span:
    """A span as Jaeger's API gives it back (OTLP in JSON), with the attributes' values as text."""

    service: str
    name: str
    kind: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, str]
    links: tuple[tuple[str, str], ...]
    failed: bool
    duration_seconds: float
    resource: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Jaeger:
    """Keeps its ports and its data over stop and start."""

    folder: Path
    retention: str = ""
    prometheus_url: str = "http://127.0.0.1:9"
    otlp_port: int = field(default_factory=free_port)
    query_port: int = field(default_factory=free_port)
    sampling_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    other_ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    server: Server | None = None

    @property
    def _configuration(self) -> Path:
        """A folder without the log: Jaeger watches the page's settings, and logs each change beside them."""
        return self.folder / "configuration"

    @property
    def environment(self) -> dict[str, str]:
        """RETENTION comes from the ConfigMap that is shipped unless the test has its own."""
        (shipped_one,) = (one for one in shipped.rendered(TREE) if "RETENTION" in one.get("data", {}))
        return {
            "POD_IP": HOST,
            "DATA_DIRECTORY": str(self.folder / "data"),
            "RETENTION": self.retention or shipped_one["data"]["RETENTION"],
            "PROMETHEUS_URL": self.prometheus_url,
            "GOMEMLIMIT": "400MiB",
        }

    def start(self) -> "Jaeger":
        """Starts it and waits until it says that it is healthy."""
        self._configuration.mkdir(parents=True, exist_ok=True)
        files = shipped.configs(TREE, "StatefulSet", "jaeger") | {"of-the-test.yaml": self._changes()}
        data = next(one["data"] for one in shipped.rendered(TREE) if "ui.json" in one.get("data", {}))
        for name in ("ui.json", "sampling-strategies.json"):
            (self._configuration / name).write_text(data[name])
        for name, config in files.items():
            (self._configuration / name).write_text(yaml.safe_dump(config, sort_keys=False))
        command = [binary("jaeger"), *(f"--config={self._configuration / name}" for name in files)]
        self.server = Server.start(command, log=self.folder / "jaeger.log", env=self.environment)
        self.server.ready(lambda: httpx.get(f"http://{HOST}:{self.health_port}/status").is_success, seconds=60)
        return self

    def _changes(self) -> Config:
        """Ports and paths of this machine; and no compression of answers, which a test has no use for."""
        whole = shipped.configs(TREE, "StatefulSet", "jaeger")["jaeger.yaml"]
        (reader,) = whole["service"]["telemetry"]["metrics"]["readers"]
        reader["pull"]["exporter"]["prometheus"] |= {"host": HOST, "port": self.metrics_port}
        return {
            "extensions": {
                "healthcheckv2": {"http": {"endpoint": f"{HOST}:{self.health_port}"}},
                "jaeger_query": {
                    "ui": {"config_file": str(self._configuration / "ui.json")},
                    "http": {"endpoint": f"{HOST}:{self.query_port}"},
                    "grpc": {"endpoint": f"{HOST}:{self.other_ports[0]}"},
                },
                "remote_sampling": {
                    "file": {"path": str(self._configuration / "sampling-strategies.json")},
                    "http": {"endpoint": f"{HOST}:{self.sampling_port}"},
                    "grpc": {"endpoint": f"{HOST}:{self.other_ports[1]}"},
                },
            },
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{HOST}:{self.otlp_port}"}}}},
            "service": {"telemetry": {"metrics": {"readers": [reader]}}},
        }

    def stop(self) -> None:
        """SIGTERM; the data stay."""
        if self.server is not None:
            self.server.stop(seconds=60)

    def get(self, path: str, **query: str | float) -> Any:
        """JSON of its HTTP API. Raises httpx.HTTPStatusError."""
        answer = httpx.get(f"http://{HOST}:{self.query_port}{path}", params=query, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def trace(self, trace_id: str) -> list[Span]:
        """All spans of a trace; empty if there is none."""
        answer = httpx.get(f"http://{HOST}:{self.query_port}/api/v3/traces/{trace_id}", timeout=60)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        answer.raise_for_status()
        return list(_spans(answer.json()["result"]))

    def call(self, trace_id: str, *, seconds: float = 40) -> list[Span]:
        """The client's and the server's span of a call, once both are there: they are stored one after the other."""

        def both() -> list[Span]:
            found = self.trace(trace_id)
            kinds = sorted(span.kind for span in found)
            assert kinds == ["CLIENT", "SERVER"], kinds
            return found

        return wait_until(both, seconds=seconds, what="both spans of the call are in Jaeger")

    def trace_ids(self, service: str, *, most: int = 20_000) -> set[str]:
        """Of all traces with a span of that service."""
        found = self.get("/api/traces", service=service, limit=most, lookback="2h")
        return {one["traceID"].rjust(32, "0") for one in found["data"]}


def _spans(result: Mapping[str, Any]) -> Iterator[Span]:
    for resource in result.get("resourceSpans", ()):
        about = _attributes(resource["resource"])
        for span in (one for scope in resource["scopeSpans"] for one in scope["spans"]):
            yield Span(
                about.get("service.name", ""),
                span["name"],
                ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")[span.get("kind", 0)],
                span["spanId"],
                span.get("parentSpanId", ""),
                _attributes(span),
                tuple((one["traceId"], one["spanId"]) for one in span.get("links", ())),
                span.get("status", {}).get("code") == 2,
                (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e9,
                about,
            )


def _attributes(owner: Mapping[str, Any]) -> dict[str, str]:
    return {one["key"]: str(next(iter(one["value"].values()), "")) for one in owner.get("attributes", ())}
