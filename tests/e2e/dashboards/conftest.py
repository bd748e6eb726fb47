"""One Prometheus with all that can run here: service, samples under load, collectors, Envoy; the rest is played."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from examples.mcp.demo.day import Past
from tests.e2e.dashboards.exporters import FORECASTS, GROWTH_DAYS, growth_past, raw_past, recorded_past, service_past
from tests.e2e.dashboards.played import DAY_SECONDS, PRICE, Cluster
from tests.e2e.harness import collectors
from tests.e2e.harness.collectors import Collector
from tests.e2e.harness.jaeger import Jaeger
from tests.e2e.harness.processes import Server, free_port
from tests.e2e.harness.prometheus import Prometheus
from tests.e2e.harness.samples import ROOT, Samples, environment
from tests.e2e.harness.standalone_envoy import Envoy, parser
from tools.monitoring.rules import demand
from tools.monitoring.write import FOLDER, rule_files

SCRAPE_SECONDS = 5
RULES_SECONDS = 5
LOAD_SECONDS = 600
HISTORY_DAYS, HISTORY_STEP_SECONDS = 14, 300
READY_SECONDS = 300  # on a busy machine; a fifth of it on an idle one
BLIND = "mcp-nowhere"
_PARTS = " or ".join(  # there is no past of single tools: fixed shares of the whole play them
    f'label_replace({share} * {demand.OPERATIONS}, "gen_ai_tool_name", "{tool}", "", "")'
    for tool, share in (("search", 0.7), ("lookup", 0.3))
)
METRICS_FILTER = ROOT / "mesh" / "istio" / "telemetry" / "by-body" / "envoyfilter-mcp-metrics.yaml"


@dataclass
class World:
    """Where queries go: the Prometheus, and the service's own API."""

    prometheus: Prometheus
    service_url: str
    servers: list[Server]
    began_s: float


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Started once: half a minute of programs, then whatever the first test waits for."""
    folder = tmp_path_factory.mktemp("world")
    now_s = time.time()
    cluster = Cluster(since_s=now_s - (GROWTH_DAYS + 1) * DAY_SECONDS)
    with ExitStack() as stack:
        played_port, played = _played(folder, cluster)
        stack.callback(played.stop)
        prometheus = Prometheus(folder, scrape_seconds=SCRAPE_SECONDS)
        jaeger = Jaeger(folder / "jaeger", prometheus_url=prometheus.url)
        gateway = collectors.gateway(folder / "gateway", jaeger_port=jaeger.otlp_port)
        agent = collectors.agent(folder / "agent", gateway_port=gateway.grpc_port)
        for one in (jaeger, gateway, agent):
            stack.callback(one.stop)
            one.start()
        samples = Samples.start(folder, agent)
        stack.callback(samples.stop)
        envoy = _envoy(folder, samples)
        stack.callback(envoy.stop)
        envoy.start()
        service_port = free_port()
        prometheus.rules = _rules(folder)
        prometheus.scrapes = _scrapes(samples, (agent, gateway, jaeger), gateway, envoy, service_port, played_port)
        prometheus.scrapes = [*prometheus.scrapes, _job("prometheus", prometheus.port)]
        _backfill(prometheus, cluster, now_s=now_s, played_port=played_port)
        stack.callback(prometheus.stop)
        prometheus.start()
        service = _service(folder, agent, port=service_port, prometheus=prometheus)
        stack.callback(service.stop)
        loads = [_load(folder, agent, url, calls) for url, calls in _calls(samples, envoy).items()]
        for load in loads:
            stack.callback(load.stop)
        service.ready(lambda: httpx.get(f"http://127.0.0.1:{service_port}/readyz").is_success, seconds=READY_SECONDS)
        stack.enter_context(_Asking(samples, service_port))
        servers = [*samples.servers(), service, played, *loads]
        servers += [one.server for one in (prometheus, jaeger, gateway, agent, envoy) if one.server is not None]
        yield World(prometheus, f"http://127.0.0.1:{service_port}", servers, now_s)


def _played(folder: Path, cluster: Cluster) -> tuple[int, Server]:
    port = free_port()
    command = [sys.executable, "-m", "tests.e2e.dashboards.exporters", str(port), f"{cluster.since_s:.0f}"]
    server = Server.start(command, log=folder / "played.log", cwd=ROOT)
    return port, server.ready(lambda: httpx.get(f"http://127.0.0.1:{port}/metrics").is_success, seconds=30)


def _backfill(prometheus: Prometheus, cluster: Cluster, *, now_s: float, played_port: int) -> None:
    """Blocks of what was before: the cluster's, and what the service has its forecasts from."""
    pasts = [
        Past(demand.OPERATIONS, {"namespace": "mcp", "service": name}, daily).samples(
            until_s=now_s, days=HISTORY_DAYS, step_seconds=HISTORY_STEP_SECONDS
        )
        for name, daily in FORECASTS.items()
    ]
    recorded = (*pasts, *(past(cluster, until_s=now_s) for past in (recorded_past, growth_past)))
    for number, lines in enumerate((*recorded, service_past(until_s=now_s))):
        prometheus.backfill(_written(prometheus.folder / f"past-{number}.txt", lines), block="720h")
    scraped = _written(prometheus.folder / "past-scraped.txt", raw_past(cluster, until_s=now_s))
    prometheus.backfill(scraped, labels={"job": "played", "instance": f"127.0.0.1:{played_port}"})


def _written(file: Path, lines: Iterator[str]) -> Path:
    with file.open("w") as out:
        out.writelines(f"{line}\n" for line in lines)
        out.write("# EOF\n")
    return file


def _rules(folder: Path) -> list[Path]:
    """As shipped, but every few seconds."""
    made = []
    for one in rule_files():
        groups = yaml.safe_load((ROOT / FOLDER / "rules" / f"{one.name}.yaml").read_text())["groups"]
        path = folder / f"rules-{one.name}.yaml"
        path.write_text(yaml.safe_dump({"groups": [each | {"interval": f"{RULES_SECONDS}s"} for each in groups]}))
        made.append(path)
    return made


def _job(name: str, *ports: int, path: str = "/metrics", **labels: str) -> dict[str, Any]:
    targets = [f"127.0.0.1:{port}" for port in ports]
    return {
        "job_name": name,
        "metrics_path": path,
        "honor_labels": True,
        "static_configs": [{"targets": targets, "labels": labels}],
    }


def _port(url: str) -> int:
    return int(url.split("/")[2].split(":")[1])


def _scrapes(
    samples: Samples,
    tier: tuple[Collector, Collector, Jaeger],
    gateway: Collector,
    envoy: Envoy,
    service_port: int,
    played_port: int,
) -> list[dict[str, Any]]:
    """The labels are those that PodMonitors and ServiceMonitors give."""
    named = {
        "mcp-catalog": samples.catalog,
        "mcp-workshop": samples.workshop,
        "mcp-registry": samples.registry,
        "mcp-agent": samples.agents["modern"],
        "mcp-holder": samples.holder,
    }
    made = [
        _job(name, _port(one.metrics_url), namespace="mcp", service=name, pod=f"{name}-1")
        for name, one in named.items()
    ]
    for pod, one in zip(("agent-a", "gateway-0", "jaeger-0"), tier, strict=True):
        made.append(_job(pod, one.metrics_port, namespace="tracing", pod=pod))
    made.append(_job("span-metrics", gateway.span_metrics_port, namespace="tracing", pod="gateway-0"))
    made.append(_job("envoy", envoy.admin_port, path="/stats/prometheus", namespace="mcp", pod="mcp-catalog-1"))
    made.append(_job("forescale", service_port))
    made.append(_job("played", played_port))
    return made


def _envoy(folder: Path, samples: Samples) -> Envoy:
    """Before the catalogue, with the mesh's own statistics of MCP, a circuit breaker, outlier detection and retries."""
    (patch,) = yaml.safe_load(METRICS_FILTER.read_text())["spec"]["configPatches"]
    logs = patch["patch"]["value"]["typed_config"]["access_log"]
    return _Guarded(folder, _port(samples.catalog.url), [_rate_limit(), parser()], hcm={"access_log": logs})


class _Guarded(Envoy):
    """With what mesh/istio/traffic asks of a cluster."""

    def config(self) -> dict[str, Any]:
        """The bootstrap."""
        made = super().config()
        made["static_resources"]["clusters"][0] |= {
            "circuit_breakers": {"thresholds": [{"max_pending_requests": 100}]},
            "outlier_detection": {"consecutive_5xx": 50},
        }
        return made


def _rate_limit() -> dict[str, Any]:
    bucket = {"max_tokens": 10_000, "tokens_per_fill": 10_000, "fill_interval": "1s"}
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "http_local_rate_limit",
            "token_bucket": bucket,
            "filter_enabled": always,
            "filter_enforced": always,
        },
    }


def _calls(samples: Samples, envoy: Envoy) -> dict[str, list[str]]:
    """URL -> what is called there; some calls fail, some are slow."""
    return {
        f"{envoy.url}/mcp": ['search={"words": "M6"}', 'lookup={"sku": "M6x20-A2"}', 'lookup={"sku": "nothing"}'],
        samples.workshop.url: ['make={"part": "bolt", "seconds": 0.4, "steps": 1}'],
    }


def _load(folder: Path, agent: Collector, url: str, calls: list[str]) -> Server:
    options = [word for call in calls for word in ("--call", call)]
    command = [sys.executable, "-m", "examples.mcp.load", url, *options, "--era", "mixed", "--rate", "6"]
    command += ["--seconds", str(LOAD_SECONDS), "--clients", "4"]
    return Server.start(command, log=folder / f"load-{_port(url)}.log", env=environment(agent), cwd=ROOT)


def _service(folder: Path, agent: Collector, *, port: int, prometheus: Prometheus) -> Server:
    """Two workloads that have a history, and one that nothing measures."""
    file = folder / "loadforecasts.yaml"
    file.write_text(yaml.safe_dump_all([_load_forecast(name) for name in (*FORECASTS, BLIND)]))
    prices = folder / "prices.yaml"
    pools = [{"name": name, "nodeHourly": str(price), "podsPerNode": 12} for name, price in PRICE.items()]
    prices.write_text(yaml.safe_dump({"currency": "USD", "pools": pools}))
    settings = {
        "PRICES_FILE": str(prices),
        "PROMETHEUS_URL": prometheus.url,
        "WORKLOADS_FILE": str(file),
        "HISTORY_DAYS": str(HISTORY_DAYS),
        "HISTORY_STEP_SECONDS": str(HISTORY_STEP_SECONDS),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "AUTHENTICATION": "none",
        "SHUTDOWN_DELAY_SECONDS": "0",
        "LOG_FORMAT": "text",
    }
    env = environment(agent) | {f"FORESCALE_{name}": value for name, value in settings.items()}
    return Server.start([sys.executable, "-m", "app.cli", "serve"], log=folder / "service.log", env=env, cwd=ROOT)


def _load_forecast(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": name, "namespace": "mcp"},
        "spec": {
            "targetRef": {"name": name},
            "demand": {"query": demand.OPERATIONS, "seriesLabels": {"namespace": "mcp", "service": name}},
            "capacityPerPod": 2,
            "parts": {"labels": ["gen_ai_tool_name"], "query": _PARTS},
            "nodes": {"provisioning": "CapacityBuffer"},
            "costs": {"pool": "stateless-spot", "podsPerNode": 12},
            "objective": {"missingPodPrice": 20},
        },
    }


class _Asking:
    """What an HPA asks every 15 s, and a user who gives the agent a task now and then."""

    def __init__(self, samples: Samples, service_port: int) -> None:
        self._metric = f"http://127.0.0.1:{service_port}/apis/external.metrics.k8s.io/v1beta1/namespaces/mcp"
        self._tasks = f"{samples.agents['modern'].url}/tasks"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "_Asking":
        self._thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _ask(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._ended.wait(1.0):
                for name in (*FORECASTS, BLIND):
                    client.get(f"{self._metric}/{name}")
                client.post(self._tasks, json={"task": "search M6x20 screws, convert an inch, make one"})


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows the end of the service's and Prometheus' logs."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    for used in getattr(item, "funcargs", {}).values() if report.failed else ():
        if isinstance(used, World):
            for server in used.servers:
                report.sections.append((f"log of {server.log.name}", server.tail()))
