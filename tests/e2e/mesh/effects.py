"""A server that counts what it did: `python -m tests.e2e.mesh.effects`. It speaks just enough JSON-RPC over HTTP.

A call's arguments say what follows the effect: `answer`, `error` (JSON-RPC, inside HTTP 200), `crash` (HTTP 500),
`refuse` (503), or `reset`: the connection is torn down after the effect and before the answer, which is what a dying
pod looks like. `GET /counts` tells how often each key had its effect.
"""

import asyncio
import json
import os
import socket
import struct
from collections import Counter
from typing import Any

PORT = 8080
_ERROR = {"code": -32603, "message": "asked to fail"}


class Effects:
    """Counts by key. `mood` is what happens where a call does not say: set by POST /mood."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.mood = "answer"

    def act(self, call: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Status and body, or None: reset."""
        arguments = call.get("params", {}).get("arguments", {})
        if "key" in arguments:
            self.counts[arguments["key"]] += 1
        then = arguments.get("then", self.mood)
        answer = {"jsonrpc": "2.0", "id": call.get("id")}
        if then == "reset":
            return None
        if then == "error":
            return 200, answer | {"error": _ERROR}
        if then in ("crash", "refuse"):
            return {"crash": 500, "refuse": 503}[then], answer | {"error": _ERROR}
        return 200, answer | {"result": {"content": [{"type": "text", "text": self.name}]}}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive."""
        try:
            while (request := await _read(reader)) is not None:
                answered = self._answer(*request)
                if answered is None:
                    raw: socket.socket = writer.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                writer.write(_http(*answered))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]] | None:
        if path == "/counts":
            return 200, dict(self.counts)
        if path == "/mood":
            self.mood = body.decode()
            return 200, {}
        if method == "POST":
            return self.act(json.loads(body))
        return 200, {"status": "ok"}


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:] if line)}
    if headers.get("transfer-encoding") == "chunked":
        return method, path, await _chunks(reader)
    return method, path, await reader.readexactly(int(headers.get("content-length", 0)))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body


def _http(status: int, body: dict[str, Any]) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    return head.encode() + text


async def main() -> None:
    """Serves until it is ended."""
    effects = Effects(os.environ.get("POD_NAME", "effects"))
    server = await asyncio.start_server(effects.serve, "0.0.0.0", PORT)  # the pod's only address
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
