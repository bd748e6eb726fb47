"""A stock Envoy with a static configuration: one listener before one upstream, with the filters under test.

For what needs no istiod: filters that EnvoyFilter objects carry are here given to Envoy as they are. The JWT filter is
the one that Istio makes of a RequestAuthentication (same payload key, same normalisation, a missing token passes).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import envoy
import httpx
import yaml

from tests.e2e.harness.processes import Server, free_port

Config = dict[str, Any]
PARSER = Path(__file__).parents[3] / "mesh" / "istio" / "limits" / "envoyfilter-mcp-body.yaml"
BINARY = Path(envoy.__file__).parent / "_bin" / "envoy"
_NETWORK = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_HTTP = "type.googleapis.com/envoy.extensions.filters.http"


@dataclass
class Envoy:
    """One running Envoy. `hcm` and `listener` are merged over the defaults."""

    folder: Path
    upstream_port: int
    filters: list[Config]
    routes: list[Config] = field(default_factory=list)
    hcm: Config = field(default_factory=dict)
    tls: Config | None = None  # DownstreamTlsContext; None: plaintext
    clusters: list[Config] = field(default_factory=list)
    upstream_tls: Config | None = None  # UpstreamTlsContext
    runtime: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    server: Server | None = None

    def start(self) -> "Envoy":
        """Starts it and waits until it has its listener."""
        path = self.folder / f"envoy-{self.port}.json"
        path.write_text(json.dumps(self.config()))
        command = [BINARY, "-c", path, "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"]
        self.server = Server.start(command, log=self.folder / f"envoy-{self.port}.log")
        self.server.ready(lambda: self.admin("/ready").status_code == 200, seconds=20)
        return self

    def stop(self) -> None:
        """Ends it."""
        if self.server is not None:
            self.server.stop()

    @property
    def url(self) -> str:
        """Base URL of the listener."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def admin(self, path: str) -> httpx.Response:
        """What the admin interface answers."""
        return httpx.get(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5)

    def config(self) -> Config:
        """The bootstrap."""
        return {
            "admin": {"address": _address(self.admin_port)},
            "layered_runtime": {"layers": [{"name": "static", "static_layer": self.runtime}]},
            "static_resources": {"listeners": [self._listener()], "clusters": [self._upstream(), *self.clusters]},
        }

    def _listener(self) -> Config:
        router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_HTTP}.router.v3.Router"}}
        routes = [*self.routes, {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}]
        manager = {
            "@type": _NETWORK,
            "stat_prefix": "inbound",
            "normalize_path": True,
            "http_filters": [*self.filters, router],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
            **self.hcm,
        }
        hcm = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        chain: Config = {"filters": [hcm]}
        if self.tls is not None:
            chain["transport_socket"] = _tls("DownstreamTlsContext", self.tls)
        return {"name": "inbound", "address": _address(self.port), "filter_chains": [chain]}

    def _upstream(self) -> Config:
        made: Config = cluster("upstream", self.upstream_port)
        if self.upstream_tls is not None:
            made["transport_socket"] = _tls("UpstreamTlsContext", self.upstream_tls)
        return made


def cluster(name: str, port: int) -> Config:
    """One loopback endpoint."""
    endpoint = {"endpoint": {"address": _address(port)}}
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}


def parser() -> Config:
    """The filter that reads MCP messages, as mesh/istio/limits installs it for a whole namespace."""
    (patch,) = yaml.safe_load(PARSER.read_text())["spec"]["configPatches"]
    found: Config = patch["patch"]["value"]
    return found


def jwt_filter(*, issuer: str, audience: str, jwks: str) -> Config:
    """What Istio makes of a RequestAuthentication with one rule."""
    provider = {
        "issuer": issuer,
        "audiences": [audience],
        "local_jwks": {"inline_string": jwks},
        "forward": True,
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope", "permission"]},
    }
    either = {"requires_any": {"requirements": [{"provider_name": "origins-0"}, {"allow_missing": {}}]}}
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": f"{_HTTP}.jwt_authn.v3.JwtAuthentication",
            "providers": {"origins-0": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": either}],
            "bypass_cors_preflight": True,
        },
    }


def _address(port: int) -> Config:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _tls(kind: str, context: Config) -> Config:
    typed = {"@type": f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}", **context}
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed}
