"""Who hangs up first between a pod's proxy and its server, by what the proxies were really given."""

import json

import pytest

from tests.e2e.harness.mesh import Mesh
from tests.e2e.harness.pod import PodRunner
from tests.e2e.mesh.conftest import limited

SERVERS = ("mcp-catalog", "mcp-workshop")
UVICORN_AND_NODE_HANG_UP_SECONDS = 5  # unless they are told otherwise
_ENVOYS_DEFAULT = "3600s"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def _idle_seconds(mesh: Mesh, pod: PodRunner) -> float:
    """How long the proxy keeps an idle connection to the server in its own pod."""
    dump = json.loads(mesh.envoy(pod, "/config_dump?resource=dynamic_active_clusters").text)
    (own,) = [one["cluster"] for one in dump["configs"] if one["cluster"]["name"] == "inbound|8080||"]
    options = own.get("typed_extension_protocol_options", {}).get(_OPTIONS, {})
    idle = options.get("common_http_protocol_options", {}).get("idle_timeout", _ENVOYS_DEFAULT)
    return float(idle.removesuffix("s"))


def _assert_proxies_are_first(mesh: Mesh, server: str) -> None:
    pods = mesh.pods("mcp", server)
    assert pods
    for pod in pods:
        assert 0 < _idle_seconds(mesh, pod) < UVICORN_AND_NODE_HANG_UP_SECONDS


@pytest.mark.parametrize("server", SERVERS)
def test_a_proxy_gives_an_idle_connection_up_before_its_server_does(mesh: Mesh, server: str) -> None:
    _assert_proxies_are_first(mesh, server)


def test_so_it_does_where_limits_stand_in_the_place_of_the_callers_rules(mesh: Mesh) -> None:
    with limited(mesh):
        for server in SERVERS:
            _assert_proxies_are_first(mesh, server)
