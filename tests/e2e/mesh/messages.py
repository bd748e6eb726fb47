"""MCP messages written by hand, in both eras, so that a test can also send what no honest client would."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
_ACCEPTED = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
_META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
_HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}


@dataclass(frozen=True)
class Caller:
    """Someone with a token (or without) before an MCP endpoint."""

    client: httpx.Client
    url: str
    token: str | None = None

    def send(self, body: bytes | str | dict[str, Any], **headers: str) -> httpx.Response:
        """POST; headers are given with underscores."""
        content = json.dumps(body) if isinstance(body, dict) else body
        return self.client.post(self.url, content=content, headers=_ACCEPTED | self._authorization() | _named(headers))

    def modern(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """A message of 2026-07-28 with the headers that go with it; `headers` replaces some, a forger's."""
        params = params or {}
        honest = {"mcp_protocol_version": MODERN, "mcp_method": method}
        honest |= {"mcp_name": params["name"]} if "name" in params else {}
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": method,
            "params": params | {"_meta": _META | params.get("_meta", {})},
        }
        return self.send(body, **(honest | headers))

    def legacy(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """A message in a session of its own; the session ends afterwards."""
        session = self.initialize()
        if session.status_code != 200:
            return session
        own = {"mcp_session_id": session.headers["mcp-session-id"], "mcp_protocol_version": LEGACY}
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"}, **own)
        answer = self.send({"jsonrpc": "2.0", "id": 2, "method": method, "params": params or {}}, **(own | headers))
        ended = self.client.delete(self.url, headers=self._authorization() | _named(own))
        assert ended.status_code == 200, ended.text
        return answer

    def initialize(self) -> httpx.Response:
        """Asks for a session."""
        return self.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": _HELLO})

    def call(self, era: str, tool: str, arguments: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """tools/call in the era "modern" or "legacy"."""
        send = {"modern": self.modern, "legacy": self.legacy}[era]
        return send("tools/call", {"name": tool, "arguments": arguments or {}}, **headers)

    def _authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
