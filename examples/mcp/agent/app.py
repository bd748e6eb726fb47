"""The agent as a service: POST /tasks, bounded in how many run at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

from examples.mcp import telemetry
from examples.mcp.agent.tasks import Agent


class Task(BaseModel):
    """What is to be done, in words."""

    task: Annotated[str, Field(min_length=1, max_length=200)]


def create_app(agent: Agent, *, most_at_a_time: int) -> ASGIApp:
    """The application; more tasks than it takes are answered with 429."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await agent.registry.close()

    app = FastAPI(title="MCP agent", lifespan=lifespan, telemetry=telemetry.of_api())
    free = asyncio.Semaphore(most_at_a_time)

    @app.post("/tasks")
    async def run(task: Task) -> JSONResponse:
        """Does the task; 502 if a server or the registry failed it."""
        if free.locked():
            return JSONResponse({"error": "busy; try again"}, status_code=429, headers={"Retry-After": "1"})
        async with free:
            result = await agent.run(task.task)
        return JSONResponse(asdict(result), status_code=200 if result.ok else 502)

    @app.get("/livez")
    @app.get("/readyz")
    async def healthy() -> dict[str, Any]:
        return {"status": "ok"}

    return app
