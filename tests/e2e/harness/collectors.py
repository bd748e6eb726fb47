"""A tier of real collectors on loopback, run with the shipped configuration.

What is changed, and why, is all in this file: ports and short times in a last file that is merged over the shipped
ones, as a user would do it; the balancing exporter, which cannot be had as a module, becomes the plain one with the
same queue and the same retries; and k8s_attributes leaves the pipeline unless there is an API server to ask.
"""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.harness import shipped
from tests.e2e.harness.processes import Server, free_port
from tests.e2e.harness.shipped import Config
from tests.e2e.parts.build import binary

HOST = "127.0.0.1"
DECISION_SECONDS = 3
"""How long a trace without a root is waited for; 30 s where it is shipped."""


@dataclass
class Collector:
    """One collector; keeps its ports and its queue over stop, kill and start."""

    folder: Path
    files: dict[str, Config]
    grpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    span_metrics_port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    kubeconfig: Path | None = None
    """Of the API server that k8s_attributes asks; None: there is none, and it does not run."""
    node: str = "here"
    server: Server | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files["of-the-test.yaml"] = self._changes()
        for name, config in self.files.items():
            (self.folder / name).write_text(yaml.safe_dump(config, sort_keys=False))

    @property
    def command(self) -> list[str]:
        """Without the verb."""
        return [str(binary("otelcol")), *(f"--config={self.folder / name}" for name in self.files)]

    @property
    def environment(self) -> dict[str, str]:
        """What the pod's fields, its ConfigMap and its env would give."""
        return {
            "POD_IP": HOST,
            "QUEUE_DIRECTORY": str(self.folder / "queue"),
            "CLUSTER_NAME": "loopback",
            "DEPLOYMENT_ENVIRONMENT": "test",
            "NODE_NAME": self.node,
            "GOMEMLIMIT": "400MiB",
            "KUBECONFIG": str(self.kubeconfig or ""),
        }

    def _changes(self) -> Config:
        whole = shipped.merged(self.files)
        protocols: dict[str, Any] = {"grpc": {"endpoint": f"{HOST}:{self.grpc_port}"}}
        if "http" in whole["receivers"]["otlp"]["protocols"]:
            protocols["http"] = {"endpoint": f"{HOST}:{self.http_port}"}
        (reader,) = copy.deepcopy(whole["service"]["telemetry"]["metrics"]["readers"])
        reader["pull"]["exporter"]["prometheus"] |= {"host": HOST, "port": self.metrics_port}
        changes: Config = {
            "receivers": {"otlp": {"protocols": protocols}},
            "extensions": {"health_check": {"endpoint": f"{HOST}:{self.health_port}"}},
            "service": {"telemetry": {"metrics": {"readers": [reader]}}, "pipelines": {}},
        }
        if "prometheus/span_metrics" in whole.get("exporters", {}):
            changes["exporters"] = {"prometheus/span_metrics": {"endpoint": f"{HOST}:{self.span_metrics_port}"}}
            changes["connectors"] = {"span_metrics": {"metrics_flush_interval": "1s"}}
        if "tail_sampling" in whole.get("processors", {}):
            waits = {"decision_wait": f"{DECISION_SECONDS}s", "decision_wait_after_root_received": "1s"}
            changes["processors"] = {"tail_sampling": waits}
        if self.kubeconfig is not None:
            changes["processors"] = {"k8s_attributes": {"auth_type": "kubeConfig"}}
            return changes
        for name, pipeline in whole["service"]["pipelines"].items():
            if "k8s_attributes" in pipeline.get("processors", []):
                rest = [one for one in pipeline["processors"] if one != "k8s_attributes"]
                changes["service"]["pipelines"][name] = {"processors": rest}
        return changes

    def start(self) -> "Collector":
        """Starts it and waits until it says that it is healthy."""
        self.server = Server.start(self.command, log=self.folder / "otelcol.log", env=self.environment)
        self.server.ready(lambda: httpx.get(f"http://{HOST}:{self.health_port}/").is_success, seconds=60)
        return self

    def stop(self) -> None:
        """SIGTERM."""
        if self.server is not None:
            self.server.stop(seconds=60)

    def kill(self) -> None:
        """SIGKILL, by its process id."""
        assert self.server is not None
        self.server.process.kill()
        self.server.process.wait()

    def metric(self, name: str, **labels: str) -> float:
        """Sum over the series of a metric of its own that carry these labels; 0 while there is none. The parser gives
        a counter the end `_total`, which the collector leaves out."""
        text = httpx.get(f"http://{HOST}:{self.metrics_port}/metrics").text
        samples = (one for family in text_string_to_metric_families(text) for one in family.samples)
        return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


def agent(folder: Path, *, gateway_port: int, kubeconfig: Path | None = None, node: str = "here") -> Collector:
    """The first tier on a node, sending to one gateway."""
    parts = shipped.configs("collector/base", "DaemonSet", "agent")
    parts["to-gateway.yaml"] = _to_one_gateway(parts["to-gateway.yaml"], f"{HOST}:{gateway_port}")
    return Collector(folder, parts, kubeconfig=kubeconfig, node=node)


def gateway(folder: Path, *, jaeger_port: int, tree: str = "collector/base") -> Collector:
    """The second tier."""
    parts = shipped.configs(tree, "StatefulSet", "gateway")
    parts["to-jaeger.yaml"]["exporters"]["otlp_grpc/jaeger"]["endpoint"] = f"{HOST}:{jaeger_port}"
    return Collector(folder, parts)


def _to_one_gateway(config: Config, endpoint: str) -> Config:
    """The balancing exporter's own queue and retries with its template of an OTLP exporter, to one address."""
    balancing = config["exporters"].pop("load_balancing")
    template = balancing["protocol"]["otlp"]
    kept = {key: balancing[key] for key in ("timeout", "retry_on_failure", "sending_queue")}
    config["exporters"]["otlp_grpc"] = template | kept | {"endpoint": endpoint}
    config["service"]["pipelines"]["traces/agent"]["exporters"] = ["otlp_grpc"]
    return config
