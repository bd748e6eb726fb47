"""`python -m examples.mcp.agent`: runs tasks and ends (--tasks), or serves POST /tasks."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from starlette.types import ASGIApp

from examples.mcp import telemetry
from examples.mcp.agent.app import create_app
from examples.mcp.agent.tasks import Agent, Era
from examples.mcp.process import LOOPBACK, DrainSeconds, Host, Listener, MetricsPort, Port
from examples.mcp.registry.client import RegistryClient

TASK = "search M6x20 screws, look up M6x20-A2, convert an inch, find a server"
_NAME = "mcp-agent"


def main(
    registry_url: Annotated[str, typer.Option(envvar="MCP_REGISTRY_URL", help="Where servers are found.")],
    host: Host = LOOPBACK,
    port: Port = 0,
    metrics_port: MetricsPort = 0,
    drain_seconds: DrainSeconds = 60,
    tasks: Annotated[int, typer.Option(min=0, max=10_000, help="Run so many and end; 0: serve POST /tasks.")] = 0,
    task: Annotated[str, typer.Option(help="Words of the tasks that --tasks runs.")] = TASK,
    search: Annotated[str, typer.Option(help="What the registry is asked for.")] = "io.forescale.examples",
    era: Annotated[Era, typer.Option(help="How servers are spoken to.")] = "modern",
    most_at_a_time: Annotated[int, typer.Option(min=1, help="Tasks at a time; more get 429.")] = 16,
) -> None:
    """Find MCP servers in a registry, plan, and call their tools."""

    def agent() -> Agent:
        return Agent(RegistryClient(registry_url), search=search, era=era)

    def build() -> ASGIApp:
        return create_app(agent(), most_at_a_time=most_at_a_time)

    if not tasks:
        Listener(_NAME, host, port, metrics_port, drain_seconds).run(build)
        return
    with telemetry.switched_on(_NAME, host=host, metrics_port=metrics_port):
        ok = asyncio.run(_run(agent(), task, count=tasks))
    raise typer.Exit(0 if ok else 1)


async def _run(agent: Agent, task: str, *, count: int) -> bool:
    """One line of JSON a task; whether all succeeded."""
    ok = True
    for _ in range(count):
        result = await agent.run(task)
        print(json.dumps(asdict(result)), flush=True)
        ok = ok and result.ok
    await agent.registry.close()
    return ok


if __name__ == "__main__":
    typer.run(main)
