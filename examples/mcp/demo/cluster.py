"""The demo's load in a cluster: `history` writes its past for promtool, `load` plays what comes.

Both know the time only. k8s/overlays/demo runs them; `make demo` has the whole chain on one machine instead.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from examples.mcp.demo.day import DAY_SECONDS, Daily, Past, write_trace

SERVICE: Final = "mcp-workshop"
SERIES: Final = "forescale_mcp_server_active_operations"
IN_FLIGHT: Final = Daily(base=6, hump=6, surge=20, surge_every_s=7_200)
_SECONDS_PER_CALL: Final = 2.0
_CALL: Final = f'make={{"part": "bolt", "seconds": {_SECONDS_PER_CALL:g}, "steps": 1}}'
_MOST_CALLS: Final = 2_000_000  # a day at 16 a second is 1.4 million
app = typer.Typer(no_args_is_help=True)


@app.command()
def history(
    file: Annotated[Path, typer.Argument(help="OpenMetrics text is written here, for promtool.")],
    days: Annotated[int, typer.Option(min=1, max=60, help="How far back.")] = 14,
) -> None:
    """Write what Prometheus would have scraped from the workshop until now, a sample a minute."""
    past = Past(SERIES, {"namespace": "mcp", "service": SERVICE}, IN_FLIGHT)
    with file.open("w") as text:
        text.writelines(f"{line}\n" for line in past.samples(until_s=time.time(), days=days, step_seconds=60))
        text.write("# EOF\n")


@app.command()
def load(
    url: Annotated[str, typer.Argument(help="Of the workshop's MCP endpoint.")],
    seconds: Annotated[float, typer.Option(min=1, max=DAY_SECONDS, help="It ends after this time.")] = DAY_SECONDS,
) -> None:
    """Call the workshop so that as much is in flight as the history says of this time of the day."""
    trace = Path(tempfile.mkdtemp()) / "trace.csv"
    write_trace(IN_FLIGHT, trace, from_s=time.time(), seconds=seconds, calls_per_unit=1 / _SECONDS_PER_CALL)
    options = ["--allow-remote", "--era=mixed", f"--trace={trace}", f"--call={_CALL}", f"--seconds={seconds}"]
    command = [sys.executable, "-m", "examples.mcp.load", url, *options, f"--count={_MOST_CALLS}"]
    os.execv(sys.executable, command)  # noqa: S606 - so that signals reach the generator itself


if __name__ == "__main__":
    app()
