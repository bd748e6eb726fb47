"""A server on the official SDK, both eras, for the mesh's tests: `python -m tests.e2e.mesh.tool_server PORT TOOL...`.

Each tool says its own name; what was executed stands in the log, one line a call, so that a test sees what got through.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from mcp.server.mcpserver import MCPServer

from tests.e2e.harness.processes import Server, free_port


@dataclass(frozen=True)
class Tools:
    """A running tool server."""

    port: int
    server: Server

    @classmethod
    def start(cls, folder: Path, names: list[str]) -> "Tools":
        """As a process of its own; waits until it answers."""
        port = free_port()
        command = [sys.executable, "-m", "tests.e2e.mesh.tool_server", str(port), *names]
        server = Server.start(command, log=folder / f"tools-{port}.log", cwd=Path(__file__).parents[3])
        server.ready(lambda: httpx.get(f"http://127.0.0.1:{port}/", timeout=2), seconds=30)
        return cls(port, server)

    def executed(self, name: str) -> int:
        """How often a tool has run."""
        return self.server.log.read_text(errors="replace").splitlines().count(f"executed {name}")


def main(port: int, names: list[str]) -> None:
    """Serves until it is ended."""
    server = MCPServer("tools")
    for name in names:
        server.add_tool(_tool(name), name=name, description=name)
    uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=port, log_level="warning")


def _tool(name: str) -> Callable[[], str]:
    def call() -> str:
        sys.stdout.write(f"executed {name}\n")
        sys.stdout.flush()
        return name

    return call


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
