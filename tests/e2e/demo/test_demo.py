"""`make demo` for two minutes: the load that the servers count is what Prometheus, the service and its page have."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.harness.processes import wait_until
from tests.e2e.parts.build import binary

ROOT = Path(__file__).parents[3]
SECONDS = 240  # for starting, on a busy machine


@dataclass
class Demo:
    """The process, what it printed, and everything that it started."""

    process: subprocess.Popen[str]
    addresses: dict[str, str]
    children: list[psutil.Process]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    path = f"{binary('prometheus').parent}{os.pathsep}{os.environ['PATH']}"
    options = ["--json", "--port", "0", "--minutes", "10", "--calm-minutes", "10"]
    command = [sys.executable, "-m", "examples.mcp.demo", *options]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PATH": path}, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the demo ended; its reason is above"
        yield Demo(process, json.loads(line), psutil.Process(process.pid).children())
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


def test_the_servers_are_listed_in_the_registry(demo: Demo) -> None:
    listed = httpx.get(f"{demo.addresses['registry']}/v0.1/servers").json()["servers"]
    urls = {one["server"]["remotes"][0]["url"] for one in listed}
    assert urls == {demo.addresses[name] for name in ("catalog", "workshop")}


@pytest.mark.parametrize("record", ["service:mcp_operations_in_flight:avg1m", "service:mcp_operations:rate1m"])
def test_the_recorded_load_goes_on_where_the_history_ends(demo: Demo, record: str) -> None:
    service = "workshop" if "flight" in record else "catalog"

    def latest() -> tuple[float, float]:
        query = {"query": f'{record}{{service="{service}"}}'}
        (sample,) = httpx.get(f"{demo.addresses['Prometheus']}/api/v1/query", params=query).json()["data"]["result"]
        past = {"query": f'avg_over_time({record}{{service="{service}"}}[10m] offset 10m)'}
        (before,) = httpx.get(f"{demo.addresses['Prometheus']}/api/v1/query", params=past).json()["data"]["result"]
        return float(sample["value"][1]), float(before["value"][1])

    def alike() -> bool:
        now, before = latest()
        assert before / 2 < now < before * 2, (now, before)  # the surge has not begun
        return True

    wait_until(alike, seconds=120, what=f"{record} is near what it was")


def test_the_service_forecasts_from_two_weeks_of_it(demo: Demo) -> None:
    rows = {row["name"]: row for row in httpx.get(demo.addresses["REST"]).json()["items"]}
    assert set(rows) == {"workshop", "catalog"}
    assert all(row["served"] > 0 for row in rows.values()), rows


def test_the_page_is_there(demo: Demo) -> None:
    assert re.search("<title>.*</title>", httpx.get(demo.addresses["page"]).text)


def test_the_agent_does_a_task_across_all_servers(demo: Demo) -> None:
    task = {"task": "find a server and make one"}
    result = httpx.post(f"{demo.addresses['agent']}/tasks", json=task, timeout=30).json()
    assert result["ok"], result
    assert {step["server"].rpartition("/")[2] for step in result["steps"]} == {"catalog", "workshop"}


def test_ctrl_c_ends_all_of_it(demo: Demo) -> None:
    assert len(demo.children) >= 8
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(120) == 0
    assert [one.pid for one in demo.children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
