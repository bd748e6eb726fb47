"""`python -m examples.mcp.demo`: starts the chain, prints addresses, gives the agent tasks, ends cleanly."""

import contextlib
import json
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import httpx
import typer

from examples.mcp.demo.chain import Plan, Running, Tools, running
from examples.mcp.demo.programs import ProgramError

_TASK_EVERY_SECONDS = 10.0
_TASK = "search M6x20 screws, look up M6x20-A2, convert an inch, find a server, make one"


def main(
    minutes: Annotated[float, typer.Option(min=0.1, max=1440, help="It ends after this time, or on Ctrl-C.")] = 60,
    calm_minutes: Annotated[float, typer.Option(min=0, help="Until the workshop's daily surge begins.")] = 4,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0, or taken: any free one.")] = 8080,
    as_json: Annotated[bool, typer.Option("--json", help="Print addresses as one line of JSON.")] = False,
) -> None:
    """Load, MCP servers, Prometheus, forecast and page on this machine, with two weeks of history to forecast from.

    prometheus and promtool have to be in PATH.
    """
    for one in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it in the background has SIGINT ignored
        signal.signal(one, _interrupt)
    with tempfile.TemporaryDirectory(prefix="forescale-demo-") as folder, contextlib.suppress(KeyboardInterrupt):
        tools = Tools(_binary("prometheus"), _binary("promtool"), Path(folder))
        if not as_json:
            print("two weeks of history, then seven programs: half a minute", flush=True)
        seconds = minutes * 60
        try:
            plan = Plan(_free_port(port), _free_port(0), seconds=seconds, calm_seconds=calm_minutes * 60)
            with running(tools, plan) as chain:
                _announce(chain, as_json=as_json, calm_minutes=calm_minutes)
                _keep_busy(chain, seconds=seconds)
        except ProgramError as error:
            sys.exit(str(error))


def _announce(chain: Running, *, as_json: bool, calm_minutes: float) -> None:
    if as_json:
        print(json.dumps(chain.addresses), flush=True)
        return
    print("\n" + "\n".join(f"  {name:11s} {url}" for name, url in chain.addresses.items()))
    print(
        f"\nThe workshop's load jumps {calm_minutes:g} minutes after the start, as on each day before. Ctrl-C ends it.",
        flush=True,
    )


def _keep_busy(chain: Running, *, seconds: float) -> None:
    """A task for the agent every ten seconds until the time is over. Raises ProgramError if a program ends before."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        with contextlib.suppress(httpx.HTTPError):
            httpx.post(f"{chain.addresses['agent']}/tasks", json={"task": _TASK}, timeout=30)
        for program in chain.programs:
            if program.process.poll() not in (None, 0):
                raise ProgramError(f"{program.name} ended with {program.process.returncode}:\n{program.tail()}")
        time.sleep(min(left, _TASK_EVERY_SECONDS))


def _binary(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        sys.exit(f"{name} is not in PATH; `make demo` builds it and puts it there")
    return Path(found)


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no port is free on 127.0.0.1")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)
