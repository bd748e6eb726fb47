"""Clients that the samples do not have, as programs: one that holds streams and sessions open, one that invents tools.

`python -m tests.e2e.harness.callers hold MODERN-URL LEGACY-URL`, until SIGTERM;
`python -m tests.e2e.harness.callers invent URL COUNT`.
"""

import asyncio
import json
import signal
import sys

import httpx
from mcp.client import Client

import tracing

MODERN = "2026-07-28"
_AT_A_TIME = 16


async def hold(modern_url: str, legacy_url: str) -> None:
    """A subscription, a legacy session with its standing stream, and one session that has ended already."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    modern, legacy, ended = (
        Client(modern_url, mode=MODERN),
        Client(legacy_url, mode="legacy"),
        Client(legacy_url, mode="legacy"),
    )
    for client in (modern, legacy, ended):
        tracing.instrument_client(client)
    async with ended:
        await ended.list_tools()
    async with modern, legacy, modern.listen(tools_list_changed=True):
        await legacy.list_tools()
        telemetry_line = {"name": "holder", "url": modern_url, "metrics_url": METRICS_URL}
        print(json.dumps(telemetry_line), flush=True)
        await stop.wait()


async def invent(url: str, count: int) -> None:
    """Calls `count` tools, each under a name of its own that no server has; none of the names may be kept."""
    free = asyncio.Semaphore(_AT_A_TIME)
    async with httpx.AsyncClient(timeout=30) as http:

        async def call(number: int) -> None:
            name = f"invented-{number}"
            meta = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "inventor", "version": "1"},
            }
            message = {"jsonrpc": "2.0", "id": number, "method": "tools/call"}
            params = {"name": name, "arguments": {}, "_meta": meta}
            headers = {
                "accept": "application/json, text/event-stream",
                "mcp-protocol-version": MODERN,
                "mcp-method": "tools/call",
                "mcp-name": name,
            }
            async with free:
                answer = await http.post(url, json=message | {"params": params}, headers=headers)
            assert "error" in answer.json() or answer.json()["result"].get("isError"), answer.text

        await asyncio.gather(*(call(number) for number in range(count)))
    print(json.dumps({"called": count}))


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        telemetry = tracing.configure(service_name="mcp-holder", metrics_host="127.0.0.1", metrics_port=0)
        METRICS_URL = f"http://127.0.0.1:{telemetry.metrics_port}/metrics"
        asyncio.run(hold(sys.argv[2], sys.argv[3]))
        telemetry.shutdown()
    else:
        asyncio.run(invent(sys.argv[2], int(sys.argv[3])))
