"""What the other samples ask a registry: servers by word, and to be listed there."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from examples.mcp import telemetry

_PAGE = 50


@dataclass(frozen=True)
class Found:
    """A listed server that can be reached over Streamable HTTP."""

    name: str
    title: str
    description: str
    version: str
    url: str


class RegistryClient:
    """Speaks v0.1; requests carry the trace's context."""

    def __init__(self, url: str, *, token: str | None = None, timeout_seconds: float = 5) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = telemetry.http_client(base_url=url, timeout_seconds=timeout_seconds, headers=headers)

    async def close(self) -> None:
        """Gives the connections back."""
        await self._http.aclose()

    async def find(self, search: str, *, limit: int = _PAGE) -> list[Found]:
        """The latest versions that match, best first, which have a Streamable HTTP remote. Raises httpx.HTTPError."""
        found: list[Found] = []
        query: dict[str, str | int] = {"search": search, "version": "latest", "limit": min(limit, _PAGE)}
        while len(found) < limit:
            answer = await self._http.get("/v0.1/servers", params=query)
            body: dict[str, Any] = answer.raise_for_status().json()
            found += [one for entry in body["servers"] for one in _remote(entry["server"])]
            cursor = body["metadata"].get("nextCursor")
            if not cursor:
                break
            query["cursor"] = cursor
        return found[:limit]

    async def announce(self, document: dict[str, Any]) -> None:
        """Lists a server, or corrects what is listed under its version. Raises httpx.HTTPError."""
        path = f"/v0.1/servers/{quote(document['name'], safe='')}/versions/{quote(document['version'], safe='')}"
        known = await self._http.get(path)
        if known.status_code == httpx.codes.NOT_FOUND:
            answer = await self._http.post("/v0.1/publish", json=document)
        elif known.raise_for_status().json()["server"] == document:
            return
        else:
            answer = await self._http.put(path, json=document)
        answer.raise_for_status()


def _remote(server: dict[str, Any]) -> list[Found]:
    for remote in server.get("remotes", ()):
        if remote["type"] == "streamable-http" and "{" not in remote["url"]:
            title = server.get("title", server["name"])
            return [Found(server["name"], title, server["description"], server["version"], remote["url"])]
    return []
