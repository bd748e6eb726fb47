"""`forescale tune` on a real Prometheus: load, pods, latency and CPU of three days, asked for by PromQL."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.e2e.harness.load import write_history
from tests.e2e.harness.prometheus import Prometheus
from tests.tuning.histories import DAY, measured

DAYS = 3
ROOT = Path(__file__).parents[3]
KNEE = 10  # of the queue that latency follows


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("tuned")
    found = Prometheus(folder)
    found.backfill(write_history(lines(), folder / "history.txt"))
    try:
        yield found.start()
    finally:
        found.stop()


def lines() -> Iterator[str]:
    """Two pods' shares of the load, so that the query has something to add up."""
    history = measured(np.random.default_rng(8), days=DAYS)
    assert history.pods is not None
    assert history.latency_s is not None
    assert history.utilisation is not None
    times_s = int(time.time()) // 60 * 60 - 60 * np.arange(DAYS * DAY)[::-1]
    series = {
        'mcp_operations_in_flight{pod="a"}': 0.25 * history.demand,
        'mcp_operations_in_flight{pod="b"}': 0.75 * history.demand,
        "pods_ready": history.pods,
        "latency_seconds_sum": history.latency_s,
        "cpu_share": history.utilisation,
    }
    for name, values in series.items():
        yield f"# TYPE {name.partition('{')[0]} gauge"
        for time_s, value in zip(times_s.tolist(), values.tolist(), strict=True):
            yield f"{name} {value:.6f} {time_s}"
    yield "# EOF"


def test_a_workloads_target_is_read_off_what_prometheus_measured(prometheus: Prometheus, tmp_path: Path) -> None:
    forecast = {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": "catalog", "namespace": "mcp"},
        "spec": {
            "targetRef": {"name": "catalog"},
            "demand": {"query": "sum(mcp_operations_in_flight)"},
            "capacityPerPod": 4,
        },
    }
    (tmp_path / "forecast.yaml").write_text(yaml.safe_dump(forecast))
    words = ["tune", str(tmp_path / "forecast.yaml"), "--prometheus-url", prometheus.url, "--days", str(DAYS)]
    words += ["--pods-query", "sum(pods_ready)", "--latency-query", "max(latency_seconds_sum)"]
    words += ["--utilisation-query", "avg(cpu_share)", "--no-forecast", "--output", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words], capture_output=True, text=True, cwd=ROOT, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["days"] == pytest.approx(DAYS, abs=0.1)
    capacity = told["settings"][0]
    assert (capacity["setting"], capacity["confidence"]) == ("capacityPerPod", "measured")
    assert capacity["value"] == pytest.approx(KNEE, rel=0.1)
    assert "today" in told["behaviour"]["candidates"]
    assert [one["kind"] for one in told["objects"]] == ["HorizontalPodAutoscaler", "LoadForecast"]
