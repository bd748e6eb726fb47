"""From outside the mesh: TLS at the gateway, the same rules behind it; and what has no certificate is refused."""

import asyncio
import ssl

import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.harness.mesh import Mesh
from tests.e2e.mesh import calls
from tests.e2e.mesh.calls import LEGACY, MODERN

HOSTS = {MODERN: "catalog.mcp.example.com", LEGACY: "workshop.mcp.example.com"}
CLIENTS = 10


@pytest.mark.parametrize("era", [MODERN, LEGACY])
def test_clients_outside_are_answered_through_the_gateway_and_sessions_stay(mesh: Mesh, era: str) -> None:
    gateway = mesh.pod("mcp-gateway", "mcp-gateway")
    context = ssl.create_default_context(cafile=str(mesh.plane.cluster.file))

    async def visit() -> set[str]:
        transport = _Towards(gateway.address, context)
        async with (
            httpx2.AsyncClient(transport=transport, timeout=20) as http,
            Client(streamable_http_client(f"https://{HOSTS[era]}/mcp", http_client=http), mode=era) as client,
        ):
            return {(await client.call_tool("whoami")).content[0].text for _ in range(4)}  # type: ignore[union-attr]

    async def everybody() -> list[set[str]]:
        return list(await asyncio.gather(*(visit() for _ in range(CLIENTS))))

    seen = asyncio.run(everybody())
    print(f"through the gateway, {era}: {len(seen)} answered by {len(set.union(*seen))} replicas")
    assert len(set.union(*seen)) == 2
    if era == LEGACY:
        assert all(len(one) == 1 for one in seen)


class _Towards(httpx2.AsyncHTTPTransport):
    """Connects to the gateway's address, whatever the name, as DNS would."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        self._address = address

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host=self._address, port=8443)
        return await super().handle_async_request(request)


def test_plain_text_to_a_servers_port_is_refused(mesh: Mesh) -> None:
    """By a pod of the cluster that has no proxy, at the address of a replica."""
    address = mesh.pod("mcp", "mcp-catalog").address
    with pytest.raises(httpx.HTTPError):
        mesh.pod("outside", "outsider").sandbox.inside(
            lambda: calls.post(f"http://{address}:8080/mcp", calls.call("whoami"))
        )
