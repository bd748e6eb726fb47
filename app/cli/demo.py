"""`forescale demo`: the service on the bundled history, played by a clock of its own."""

import socket
import time
from contextlib import ExitStack
from importlib.resources import as_file, files
from typing import Annotated

import typer

from app import main
from app.cli.output import errors_told
from app.clock import PlayedClock
from app.samples import HISTORY, STARTS_AT, WORKLOADS
from app.settings import load_settings

_REAL_STALENESS_SECONDS = 10  # of the machine's time: a busy machine must not make the demo refuse
_HOST = "127.0.0.1"


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0: any free one.")] = 8080,
    speed: Annotated[float, typer.Option(min=1, max=600, help="Seconds played per second.")] = 60,
) -> None:
    """Run the service on a bundled sample history: no cluster, no Prometheus, no network. Ctrl-C ends it."""
    chosen = port if _free(port) else 0
    if chosen != port:
        print(f"port {port} is taken, another one is used")
    with ExitStack() as stack, errors_told():
        history, workloads = (
            stack.enter_context(as_file(files("app.samples") / name)) for name in (HISTORY, WORKLOADS)
        )
        settings = load_settings(
            source="csv",
            csv_file=history,
            workloads_file=workloads,
            history_days=21,
            history_step_seconds=60,
            settle_seconds=0,
            refresh_seconds=60,
            staleness_seconds=max(180, _REAL_STALENESS_SECONDS * speed),
            host=_HOST,
            port=chosen,
            authentication="none",
            shutdown_delay_seconds=0,
            log_level="warning",
            log_format="text",
        )
        print("reading three weeks of history, then fitting: the first numbers come within a minute", flush=True)
        clock = PlayedClock(start_s=STARTS_AT.timestamp(), epoch_s=time.time(), speed=speed)
        main.serve(settings, clock=clock, on_listening=_announce)


def _announce(host: str, port: int) -> None:
    print(f"\n  page      http://{host}:{port}/")
    print(f"  REST      http://{host}:{port}/api/v1/workloads   (OpenAPI: http://{host}:{port}/docs)")
    print(f"  metrics   http://{host}:{port}/metrics")
    print("\nOne week of a small web server of 1995, played fast. Ctrl-C ends it.", flush=True)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
