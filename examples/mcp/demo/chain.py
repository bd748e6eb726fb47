"""What stands between load and page: how Prometheus and the forecast service are set up, and what starts when."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from examples.mcp.demo.day import Daily, Past, write_trace
from examples.mcp.demo.programs import ROOT, Program

HISTORY_DAYS = 14
NAMESPACE = "mcp"
_STEP_SECONDS = 60
_SCRAPE_SECONDS = 5
_SECONDS_PER_PART = 2.0  # how long the workshop works on one
_IN_FLIGHT, _RATE = "service:mcp_operations_in_flight:avg1m", "service:mcp_operations:rate1m"
_RULES = ROOT / "k8s" / "monitoring" / "rules" / "demand.yaml"


@dataclass(frozen=True)
class Workload:
    """One server: what it is loaded with, and what its LoadForecast says."""

    name: str
    daily: Daily
    record: str
    unit: str
    capacity_per_pod: float
    calls_per_unit: float
    call: str

    def load_forecast(self) -> dict[str, Any]:
        """As in k8s/, but on the recorded series: it is the same before and after the demo began."""
        return {
            "apiVersion": "forescale.dev/v1alpha1",
            "kind": "LoadForecast",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {
                "targetRef": {"name": self.name},
                "demand": {
                    "query": self.record,
                    "seriesLabels": {"namespace": NAMESPACE, "service": self.name},
                    "unit": self.unit,
                },
                "capacityPerPod": self.capacity_per_pod,
                "lead": {"floorSeconds": 15, "fallbackSeconds": 120},
                "objective": {"missingPodPrice": 20},
            },
        }

    @property
    def past(self) -> Past:
        """Its history."""
        return Past(self.record, {"namespace": NAMESPACE, "service": self.name}, self.daily)


def workloads(*, surge_at_s: float) -> tuple[Workload, ...]:
    """The workshop has a surge every day at that time; the catalogue only follows the sun."""
    make = f'make={{"part": "bolt", "seconds": {_SECONDS_PER_PART}, "steps": 1}}'
    surging = Daily(base=4, hump=6, surge=20, surge_at_s=surge_at_s)
    return (
        Workload("workshop", surging, _IN_FLIGHT, "operations in flight", 4, 1 / _SECONDS_PER_PART, make),
        Workload("catalog", Daily(base=2, hump=5), _RATE, "operations/s", 2, 1.0, 'search={"words": "M6 stainless"}'),
    )


@dataclass(frozen=True)
class Tools:
    """Where Prometheus' binaries are, and where the demo may write."""

    prometheus: Path
    promtool: Path
    folder: Path

    def backfill(self, served: tuple[Workload, ...], *, until_s: float) -> None:
        """Writes the histories into Prometheus' blocks; before its first start."""
        text = self.folder / "history.txt"
        with text.open("w") as file:
            for one in served:
                lines = one.past.samples(until_s=until_s, days=HISTORY_DAYS, step_seconds=_STEP_SECONDS)
                file.writelines(f"{line}\n" for line in lines)
            file.write("# EOF\n")
        command = [self.promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", text, self._data]
        subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=120)  # noqa: S603

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start_prometheus(self, *, port: int, targets: dict[str, str]) -> Program:
        """targets: host:port by service."""
        rules = yaml.safe_load(_RULES.read_text())
        hurried = [group | {"interval": f"{_SCRAPE_SECONDS}s"} for group in rules["groups"]]
        _write(self.folder / "rules.yml", {"groups": hurried})
        scraped = [
            {"targets": [target], "labels": {"namespace": NAMESPACE, "service": service}}
            for service, target in targets.items()
        ]
        config = {
            "global": {"scrape_interval": f"{_SCRAPE_SECONDS}s", "scrape_timeout": f"{_SCRAPE_SECONDS}s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": NAMESPACE, "static_configs": scraped}],
        }
        path = _write(self.folder / "prometheus.yml", config)
        command: list[str | Path] = [self.prometheus, f"--config.file={path}", f"--storage.tsdb.path={self._data}"]
        command += ["--storage.tsdb.retention.time=60d", f"--web.listen-address=127.0.0.1:{port}"]
        return Program.start("prometheus", command, folder=self.folder)

    def start_service(self, served: tuple[Workload, ...], *, port: int, prometheus_url: str) -> Program:
        """The forecast service, as a process: it is never imported here."""
        file = self.folder / "loadforecasts.yaml"
        file.write_text(yaml.safe_dump_all([one.load_forecast() for one in served]))
        settings = {
            "PROMETHEUS_URL": prometheus_url,
            "WORKLOADS_FILE": str(file),
            "HISTORY_DAYS": str(HISTORY_DAYS),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "AUTHENTICATION": "none",
            "SHUTDOWN_DELAY_SECONDS": "0",
            "LOG_LEVEL": "warning",
            "LOG_FORMAT": "text",
        }
        env = {f"FORESCALE_{name}": value for name, value in settings.items()}
        return Program.start("forescale", [sys.executable, "-m", "app.cli", "serve"], folder=self.folder, env=env)


@dataclass(frozen=True)
class Running:
    """Everything that runs, and where."""

    addresses: dict[str, str]
    programs: tuple[Program, ...]


@dataclass(frozen=True)
class Plan:
    """When and where: the surge begins after calm_seconds, the load lasts for `seconds`."""

    page_port: int
    prometheus_port: int
    seconds: float
    calm_seconds: float


@contextmanager
def running(tools: Tools, plan: Plan) -> Iterator[Running]:
    """Starts the chain from its far end, ends it in reverse. Raises ProgramError."""
    now_s = time.time()
    served = workloads(surge_at_s=now_s + plan.calm_seconds)
    tools.backfill(served, until_s=now_s)
    with ExitStack() as stack:
        programs: list[Program] = []

        def begin(program: Program) -> Program:
            programs.append(stack.enter_context(program))
            return program

        samples = _samples(tools.folder, served, begin)
        prometheus_url, page = (f"http://127.0.0.1:{port}" for port in (plan.prometheus_port, plan.page_port))
        targets = {name: _target(one["metrics_url"]) for name, one in samples.items()}
        prometheus = begin(tools.start_prometheus(port=plan.prometheus_port, targets=targets))
        for one in served:
            begin(_load(one, samples[one.name]["url"], folder=tools.folder, seconds=plan.seconds))
        prometheus.ready(f"{prometheus_url}/-/ready", seconds=60)
        service = begin(tools.start_service(served, port=plan.page_port, prometheus_url=prometheus_url))
        service.ready(f"{page}/readyz", seconds=180)
        addresses = {"page": f"{page}/", "REST": f"{page}/api/v1/workloads", "Prometheus": prometheus_url}
        yield Running(addresses | {name: one["url"] for name, one in samples.items()}, tuple(programs))


def _samples(
    folder: Path, served: tuple[Workload, ...], begin: Callable[[Program], Program]
) -> dict[str, dict[str, str]]:
    """Starts registry, servers and agent; what each said."""
    (folder / "tokens").write_text("demo io.forescale.examples/*\n")
    (folder / "token").write_text("demo")
    registry = begin(Program.sample("registry", "--token-file", str(folder / "tokens"), folder=folder)).said()
    found = ("--registry-url", registry["url"])
    listing = (*found, "--registry-token-file", str(folder / "token"))
    started = {one.name: begin(Program.sample(f"servers.{one.name}", *listing, folder=folder)) for one in served}
    started["agent"] = begin(Program.sample("agent", *found, folder=folder))
    return {"registry": registry} | {name: program.said() for name, program in started.items()}


def _load(workload: Workload, url: str, *, folder: Path, seconds: float) -> Program:
    file = folder / f"{workload.name}.csv"
    write_trace(workload.daily, file, from_s=time.time(), seconds=seconds, calls_per_unit=workload.calls_per_unit)
    options = ["--era", "mixed", "--trace", str(file), "--call", workload.call, "--seconds", str(seconds)]
    command = [sys.executable, "-m", "examples.mcp.load", url, *options]
    return Program.start(f"load-{workload.name}", command, folder=folder)


def _target(metrics_url: str) -> str:
    return metrics_url.removeprefix("http://").removesuffix("/metrics")


def _write(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path
