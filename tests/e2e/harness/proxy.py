"""A real Envoy before an MCP server: makes spans of its own and reads the context that MCP carries in its messages."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from tests.e2e.harness.processes import Server, free_port

HOST = "127.0.0.1"
SERVICE = "mcp-proxy"
_TYPES = "type.googleapis.com/envoy."


@dataclass
class Proxy:
    """Forwards to one upstream; sends its spans by OTLP over gRPC."""

    folder: Path
    upstream_url: str
    otlp_port: int
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    server: Server | None = None

    @property
    def url(self) -> str:
        """Under which the upstream is reached through it."""
        return urlsplit(self.upstream_url)._replace(netloc=f"{HOST}:{self.port}").geturl()

    def start(self) -> "Proxy":
        """Starts it and waits until it is live."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "envoy.yaml"
        path.write_text(yaml.safe_dump(self._config()))
        envoy = Path(sys.executable).parent / "envoy"
        command = [envoy, "-c", path, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
        self.server = Server.start(command, log=self.folder / "envoy.log")
        self.server.ready(lambda: httpx.get(f"http://{HOST}:{self.admin_port}/ready").is_success, seconds=30)
        return self

    def stop(self) -> None:
        """Ends it."""
        if self.server is not None:
            self.server.stop()

    def _config(self) -> dict[str, Any]:
        upstream = urlsplit(self.upstream_url)
        assert upstream.port is not None
        return {
            "admin": {"address": _address(self.admin_port)},
            "static_resources": {
                "listeners": [
                    {
                        "name": "mcp",
                        "address": _address(self.port),
                        "filter_chains": [{"filters": [_typed("filters.network.http_connection_manager", _manager())]}],
                    }
                ],
                "clusters": [_cluster("upstream", upstream.port), _cluster("otlp", self.otlp_port, http2=True)],
            },
        }


def _manager() -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}
    return {
        "@type": f"{_TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "mcp",
        "stream_idle_timeout": "0s",
        "tracing": {
            "provider": _typed(
                "tracers.opentelemetry",
                {
                    "@type": f"{_TYPES}config.trace.v3.OpenTelemetryConfig",
                    "service_name": SERVICE,
                    "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
                },
            ),
            "random_sampling": {"value": 100},
            "spawn_upstream_span": False,
        },
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            _typed(
                "filters.http.mcp",
                {
                    "@type": f"{_TYPES}extensions.filters.http.mcp.v3.Mcp",
                    "traffic_mode": "PASS_THROUGH",
                    "propagate_trace_context": {},
                    "propagate_baggage": {},
                },
            ),
            _typed("filters.http.router", {"@type": f"{_TYPES}extensions.filters.http.router.v3.Router"}),
        ],
    }


def _typed(name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"envoy.{name}", "typed_config": config}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": HOST, "port_value": port}}


def _cluster(name: str, port: int, *, http2: bool = False) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    cluster: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if http2:
        options = "upstreams.http.v3.HttpProtocolOptions"
        explicit = {"explicit_http_config": {"http2_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {
            f"envoy.extensions.{options}": {"@type": f"{_TYPES}extensions.{options}", **explicit}
        }
    return cluster
