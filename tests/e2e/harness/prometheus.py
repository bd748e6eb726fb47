"""A real Prometheus on loopback with a backfilled history and a live target."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.harness.processes import Server, free_port
from tests.e2e.parts.build import binary

JOB = "mcp"


@dataclass
class Prometheus:
    """Keeps its port and its data over stop and start."""

    folder: Path
    target_port: int = 0
    port: int = field(default_factory=free_port)
    server: Server | None = None
    jobs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Job -> host and port of its targets; without any, the one target."""
    scrape_seconds: int = 1
    """Interval and time limit of a scrape."""
    scrapes: Sequence[Mapping[str, Any]] = ()
    """Whole scrape_configs, in the place of the jobs."""
    rules: Sequence[Path] = ()
    """Rule files."""

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def target_labels(self) -> dict[str, str]:
        """What a scrape adds to every series. A backfilled series must carry them too: for five minutes after its last
        sample a series without them is another one, and a sum would count both."""
        return {"instance": f"127.0.0.1:{self.target_port}", "job": JOB}

    @property
    def _data(self) -> Path:
        return self.folder / "prometheus"

    def backfill(self, open_metrics: Path, *, block: str = "2h", labels: Mapping[str, str] | None = None) -> None:
        """Turns OpenMetrics text into blocks; only before the first start. The text is read once for each block.

        labels: of every series; those of the scrape that goes on where the past ends.
        """
        make = [binary("promtool"), "tsdb", "create-blocks-from", f"--max-block-duration={block}"]
        more = [f"--label={name}={value}" for name, value in (labels or {}).items()]
        command = [*make, "openmetrics", "--quiet", *more, open_metrics, self._data]
        subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=120)

    def start(self) -> "Prometheus":
        """Starts the server and waits until it answers."""
        config = {
            "global": dict.fromkeys(("scrape_interval", "scrape_timeout"), f"{self.scrape_seconds}s"),
            "rule_files": [str(one) for one in self.rules],
            "scrape_configs": list(self.scrapes)
            or [
                {"job_name": job, "static_configs": [{"targets": list(targets)}]}
                for job, targets in (self.jobs or {JOB: [self.target_labels["instance"]]}).items()
            ],
        }
        path = self.folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        command = [binary("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={self._data}"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--storage.tsdb.retention.time=60d"]
        command += ["--enable-feature=exemplar-storage"]
        self.server = Server.start(command, log=self.folder / "prometheus.log")
        self.server.ready(lambda: httpx.get(f"{self.url}/-/ready").is_success, seconds=60)
        return self

    def value(self, query: str) -> float:
        """The only value of an instant query; raises LookupError if there is none."""
        result = httpx.get(f"{self.url}/api/v1/query", params={"query": query}).json()["data"]["result"]
        return float(result[0]["value"][1])

    def stop(self) -> None:
        """Ends the server; its data stay."""
        if self.server is not None:
            self.server.stop()
