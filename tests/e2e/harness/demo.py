"""The service of `make run` as a process of its own, at the speed of the machine's clock."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from tests.e2e.harness.processes import Server, free_port

ROOT = Path(__file__).parents[3]


@dataclass
class Demo:
    """Its address, and the time it plays."""

    url: str

    @property
    def prometheus(self) -> str:
        """What a Prometheus datasource is pointed at."""
        return f"{self.url}/prometheus"

    @property
    def cut_s(self) -> int:
        """Unix seconds of the newest forecast."""
        cut: str = httpx.get(f"{self.url}/api/v1/health").json()["cut"]
        return int(datetime.fromisoformat(cut).timestamp())


@contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """Runs until the context ends; its log lies in `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "demo", "--port", str(port), "--speed", "1"]
    server = Server.start(command, log=folder / "demo.log", env=dict(os.environ), cwd=ROOT)
    try:
        demo = Demo(f"http://127.0.0.1:{port}")
        server.ready(lambda: httpx.get(f"{demo.url}/readyz").status_code == 200, seconds=120)
        yield demo
    finally:
        server.stop()
