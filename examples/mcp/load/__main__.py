"""`python -m examples.mcp.load`: calls the tools of an MCP server and prints a report in one line of JSON."""

import asyncio
import contextlib
import ipaddress
import json
import random
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from examples.mcp import telemetry
from examples.mcp.load.generator import Generator
from examples.mcp.load.pool import Call, Era, connected
from examples.mcp.load.profile import Profile
from examples.mcp.load.report import Report
from examples.mcp.process import LOOPBACK, Host, MetricsPort

_CALLS = ['search={"words": "M6x20 stainless"}', 'lookup={"sku": "M6x20-A2"}', "whoami={}"]


def main(
    url: Annotated[str, typer.Argument(help="Of the server's MCP endpoint, such as http://127.0.0.1:8080/mcp.")],
    call: Annotated[list[str], typer.Option(help="TOOL=JSON-ARGUMENTS; repeatable, called in turn.")] = _CALLS,
    era: Annotated[Era, typer.Option(help="Protocol that clients speak; mixed: half of them each.")] = "modern",
    loop: Annotated[
        Literal["open", "closed"], typer.Option(help="open: at fixed times; closed: after answers.")
    ] = "open",
    rate: Annotated[float, typer.Option(min=0, help="Calls a second (open), callers at a time (closed).")] = 5,
    trace: Annotated[Path | None, typer.Option(help="CSV timestamp,value in place of --rate.")] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="How much faster than recorded a trace is played.")] = 1,
    scale: Annotated[float, typer.Option(min=0, help="What its values are multiplied by.")] = 1,
    seconds: Annotated[float, typer.Option(min=0, max=86_400, help="The run ends after this time.")] = 30,
    count: Annotated[int, typer.Option(min=1, max=10_000_000, help="And after so many calls.")] = 100_000,
    poisson: Annotated[bool, typer.Option(help="Open loop: random times at that rate, not even ones.")] = False,
    seed: Annotated[int, typer.Option(help="Of these random times.")] = 1,
    think_seconds: Annotated[float, typer.Option(min=0, help="Closed loop: between an answer and the next call.")] = 0,
    clients: Annotated[int, typer.Option(min=1, max=1000, help="MCP clients that calls are spread over.")] = 8,
    most_in_flight: Annotated[int, typer.Option(min=1, help="Open loop: more are counted as not_sent.")] = 500,
    timeout_seconds: Annotated[float, typer.Option(min=0.001, help="Of one call.")] = 30,
    host: Host = LOOPBACK,
    metrics_port: MetricsPort = 0,
    allow_remote: Annotated[bool, typer.Option(help="Also load a server that is not on this machine.")] = False,
) -> None:
    """Call an MCP server's tools: open or closed loop, constant or from a trace, bounded in time and count."""
    if not allow_remote and not on_loopback(url):
        raise typer.BadParameter("not on loopback; --allow-remote loads it nevertheless", param_hint="URL")
    try:
        calls = [parsed(one) for one in call]
        profile = (
            Profile.constant(rate, seconds=seconds)
            if trace is None
            else Profile.read(trace, speed=speed, scale=scale, most_seconds=seconds)
        )
    except (ValueError, KeyError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    rng = random.Random(seed) if poisson else None  # noqa: S311 - not for secrets

    async def run() -> Report:
        async with connected(url, era=era, clients=clients, calls=calls, timeout_seconds=timeout_seconds) as pool:
            generator = Generator(pool.call, most_calls=count)
            began = generator.clock.now()
            if loop == "open":
                await _until_told(generator.open_loop(profile.arrivals(rng=rng), most_in_flight=most_in_flight))
            else:
                await _until_told(generator.closed_loop(profile, think_seconds=think_seconds))
            return Report.of(generator.samples, seconds=generator.clock.now() - began)

    with telemetry.switched_on("mcp-load", host=host, metrics_port=metrics_port):
        print(json.dumps(asyncio.run(run()).told()), flush=True)


def on_loopback(url: str) -> bool:
    """Whether a URL's host is this machine itself."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def parsed(text: str) -> Call:
    """TOOL=JSON. Raises ValueError."""
    tool, _, arguments = text.partition("=")
    values = json.loads(arguments or "{}")
    if not tool or not isinstance(values, dict):
        raise ValueError(f"{text!r} is not TOOL={{...}}")
    return Call(tool, values)


async def _until_told(running: Coroutine[object, object, None]) -> None:
    """The run, ended early by SIGTERM or Ctrl-C; what was measured until then is reported."""
    task = asyncio.ensure_future(running)
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    typer.run(main)
