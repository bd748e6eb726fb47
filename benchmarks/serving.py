"""Latency and throughput of the external metrics door over TLS with authentication, while fits go on.

Everything runs on this machine: the service with its processes, the store, kube-apiserver's part of access control
and the load generator share its cores, so the figures are an upper bound. See README.md beside this file.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.telemetry import FIT_SECONDS, FITS, PASS_SECONDS, PASSES
from benchmarks.load import Plan, Result
from benchmarks.processes import ROOT, Usage, Watch
from benchmarks.service import CALLER, Scale, Service, metric_path, running


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    cores: int
    workloads: int
    warm_seconds: float
    refits: float
    refreshes: float
    fit_seconds: float
    refresh_seconds: float
    load: Result
    usage: Usage


def measure(scale: Scale, *, rate: float, seconds: float, connections: int, folder: Path) -> Row:
    """Starts the service, waits until it is warm, asks it for `seconds`, scrapes it every 15 s as Prometheus would."""
    began = time.monotonic()
    with running(scale, folder) as service:
        warm_seconds = time.monotonic() - began
        before = service.gauges()
        with Watch(service.pid) as watch, _scraping(service):
            load = _generated(service, scale, rate=rate, seconds=seconds, connections=connections)
        after = service.gauges()
    return Row(
        cores=len(os.sched_getaffinity(0)),
        workloads=scale.workloads,
        warm_seconds=warm_seconds,
        refits=_counted(after, FITS.name) - _counted(before, FITS.name),
        refreshes=_counted(after, PASSES.name) - _counted(before, PASSES.name),
        fit_seconds=after.get(FIT_SECONDS.name, float("nan")),
        refresh_seconds=after.get(PASS_SECONDS.name, float("nan")),
        load=load,
        usage=watch.usage,
    )


def _counted(gauges: dict[str, float], name: str) -> float:
    return sum(value for key, value in gauges.items() if key.startswith(f'{name}{{outcome="ok"'))


def _generated(service: Service, scale: Scale, *, rate: float, seconds: float, connections: int) -> Result:
    plan = Plan(
        host="127.0.0.1",
        port=service.port,
        ca_file=str(service.ca_file),
        cert_file=str(service.client.cert),
        key_file=str(service.client.key),
        headers=CALLER,
        paths=[metric_path(one) for one in range(scale.workloads)],
        rate=rate,
        seconds=seconds,
        connections=connections,
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Result(**json.loads(done.stdout))


@contextmanager
def _scraping(service: Service) -> Iterator[None]:
    ended = threading.Event()

    def scrape() -> None:
        while not ended.wait(15):
            service.get("/metrics")

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


HEADER = (
    "cores",
    "workloads",
    "req/s asked",
    "answered",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "p99.9 ms",
    "max ms",
    "not 200",
    "PSS MiB",
    "RSS MiB",
    "refits",
    "fit s",
    "refresh s",
    "busy",
    "stolen",
)


def cells(row: Row) -> list[str]:
    """A row of the table."""
    load = row.load
    wrong = sum(count for status, count in load.statuses.items() if status != "200") + load.failures
    milliseconds = [f"{one:.1f}" for one in (load.p50_ms, load.p90_ms, load.p99_ms, load.p999_ms, load.max_ms)]
    return [
        str(row.cores),
        f"{row.workloads:,}",
        f"{load.asked_rate:.0f}",
        f"{load.answered_rate:.0f}",
        *milliseconds,
        str(wrong),
        f"{row.usage.pss_mib:.0f}",
        f"{row.usage.rss_mib:.0f}",
        f"{row.refits:.0f}",
        f"{row.fit_seconds:.1f}",
        f"{row.refresh_seconds:.2f}",
        f"{row.usage.busy_ratio:.0%}",
        f"{row.usage.stolen_ratio:.0%}",
    ]


def main(
    workloads: Annotated[list[int] | None, typer.Option(help="one row each")] = None,
    rate: Annotated[float, typer.Option(help="requests per second")] = 500,
    seconds: Annotated[float, typer.Option(help="per row, after warming up")] = 30,
    connections: Annotated[int, typer.Option(help="kept alive, as the aggregator does")] = 12,
    history_days: float = 28,
    step_seconds: int = 300,
    refresh_seconds: int = 15,
    refit_seconds: Annotated[
        int | None, typer.Option(help="short, so that fits go on all the time; default: 30, or what a fit takes twice")
    ] = None,
    narrow: Annotated[bool, typer.Option(help="the caller may read each metric but not all at once")] = False,
    output: Annotated[str, typer.Option(help="table or json")] = "table",
    keep: Annotated[Path | None, typer.Option(help="folder for logs; default: a temporary one")] = None,
) -> None:
    """Prints a table with a row for each number of workloads."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    rows = []
    if output == "table":
        print("| " + " | ".join(HEADER) + " |\n|" + "---|" * len(HEADER), flush=True)
    for count in workloads or [1, 100, 10_000]:
        refit = refit_seconds or max(30, count * 60 // 10_000)
        scale = Scale(count, history_days, step_seconds, refresh_seconds, refit, wide=not narrow)
        with _folder(keep, count) as folder:
            row = measure(scale, rate=rate, seconds=seconds, connections=connections, folder=folder)
        rows.append(asdict(row))
        if output == "table":
            print("| " + " | ".join(cells(row)) + " |", flush=True)
            print(f"{row.warm_seconds:.0f} s until warm; {row.usage}; {row.load}", file=sys.stderr)
    if output == "json":
        print(json.dumps(rows, indent=1))


@contextmanager
def _folder(keep: Path | None, count: int) -> Iterator[Path]:
    if keep is not None:
        (keep / str(count)).mkdir(parents=True, exist_ok=True)
        yield keep / str(count)
        return
    with tempfile.TemporaryDirectory(prefix="forescale-bench-") as name:
        yield Path(name)


if __name__ == "__main__":
    typer.run(main)
