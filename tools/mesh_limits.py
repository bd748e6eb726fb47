"""The mesh's limits from one table: what a pod carries, and what a tenant may ask for.

    python -m tools.mesh_limits            compares mesh/istio/limits/generated-*.yaml with limits.yaml
    python -m tools.mesh_limits --write    writes them anew

A pod's limit is the LoadForecast's capacityPerPod with some headroom: forecast, autoscaler and proxy agree on what
a pod can do. A tenant's limit holds over all pods: it is counted by the rate limit service.
"""

import math
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "mesh" / "istio" / "limits"
NAMESPACE = "mcp"
BODY = "envoy.filters.http.mcp"
CALLER = "mcp.limits"  # where envoyfilter-caller.yaml writes the tenant
CALL = "tools/call"
SERVICE = "ratelimit.mcp-limits.svc.cluster.local"
REACHED = ["./*.mcp.svc.cluster.local", "tracing/*", f"mcp-limits/{SERVICE}"]
UNREAD = "unread"  # a body that is too large or no JSON-RPC: limited like a call
IDLE_SECONDS = 4  # a Sidecar's pool stands in the place of the DestinationRule's, so it repeats its idleTimeout
_HEAD = "# Made by `python -m tools.mesh_limits --write` from limits.yaml. {}\n"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http"
_REASON = {
    "local": "A pod takes what it can carry, whoever asks.",
    "sidecar": "Operations in flight in one pod: more are refused with 503 before they begin, and may go elsewhere.",
    "service": "What a tenant may ask for over all pods.",
}


def actions(server: str) -> list[dict[str, Any]]:
    """What a request is counted under: tenant and method, and tenant, server and tool."""
    tenant = _metadata("tenant", CALLER, "tenant", default="none")
    method = _metadata("method", BODY, "method", default=UNREAD)
    tool = _metadata("tool", BODY, "params", "name")
    verb = {"request_headers": {"header_name": ":method", "descriptor_key": "verb"}}
    named = {"generic_key": {"descriptor_key": "server", "descriptor_value": server}}
    return [{"actions": [verb, tenant, method]}, {"actions": [named, tenant, tool]}]


def _metadata(descriptor: str, namespace: str, *path: str, default: str | None = None) -> dict[str, Any]:
    key = {"key": namespace, "path": [{"key": one} for one in path]}
    found: dict[str, Any] = {"descriptor_key": descriptor, "metadata_key": key}
    return {"metadata": found | ({"default_value": default} if default else {})}


def calls_per_second(numbers: dict[str, Any]) -> float:
    """What one pod carries: operations in flight over the mean seconds of a call (Little's law)."""
    return float(numbers["capacityPerPod"] / numbers["callSeconds"])


def local(server: str, numbers: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """EnvoyFilter with token buckets in each pod: one for all, and one for each tenant's calls."""
    rate = calls_per_second(numbers) * table["headroom"]
    share = rate * table["tenantShareOfPod"]
    buckets = [
        {
            "entries": [_entry("verb", "POST"), _entry("tenant"), _entry("method", method)],
            "token_bucket": bucket(share, table),
        }
        for method in (CALL, UNREAD)
    ]
    config = {
        "@type": f"{_TYPE}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "mcp_local",
        "token_bucket": bucket(rate, table),
        "filter_enabled": _always(),
        "filter_enforced": _always(),
        "max_dynamic_descriptors": 1000,
        "rate_limits": actions(server)[:1],
        "descriptors": buckets,
        "response_headers_to_add": [_header("retry-after", "1")],
    }
    return _filter(f"local-limit-{server}", "local_ratelimit", config, priority=30, selector=server)


def bucket(per_second: float, table: dict[str, Any]) -> dict[str, Any]:
    """Filled ten times a second, so that callers who are turned away do not all come back at once."""
    fill = max(1, math.ceil(per_second / 10))
    return {
        "max_tokens": max(1, math.ceil(per_second * table["burstSeconds"])),
        "tokens_per_fill": fill,
        "fill_interval": f"{max(0.05, fill / per_second):.3f}s",  # 50 ms are the least that Envoy takes
    }


def over_all_pods(server: str) -> dict[str, Any]:
    """EnvoyFilter that asks the rate limit service; a service that does not answer lets the call pass."""
    config = {
        "@type": f"{_TYPE}.ratelimit.v3.RateLimit",
        "domain": "mcp",
        "timeout": "0.1s",
        "failure_mode_deny": False,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limits": actions(server),
        "response_headers_to_add": [_header("retry-after", "15")],
        "rate_limit_service": {
            "transport_api_version": "V3",
            "grpc_service": {
                # Without an authority Envoy writes the cluster's name there, and the next proxy refuses its bars.
                "envoy_grpc": {"cluster_name": f"outbound|8081||{SERVICE}", "authority": SERVICE},
                "timeout": "0.1s",
            },
        },
    }
    return _filter(f"global-limit-{server}", "ratelimit", config, priority=40, selector=server)


def _filter(name: str, kind: str, config: dict[str, Any], *, priority: int, selector: str) -> dict[str, Any]:
    router = {
        "name": "envoy.filters.network.http_connection_manager",
        "subFilter": {"name": "envoy.filters.http.router"},
    }
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "SIDECAR_INBOUND", "listener": {"filterChain": {"filter": router}}},
        "patch": {
            "operation": "INSERT_BEFORE",
            "value": {"name": f"envoy.filters.http.{kind}", "typed_config": config},
        },
    }
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"workloadSelector": _labels(selector), "priority": priority, "configPatches": [patch]},
    }


def in_flight(server: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """Sidecar with the number of operations that a pod has in flight at most. It stands before the namespace's own
    Sidecar for these pods, so it repeats what they may reach, and adds the rate limit service."""
    limit = numbers["inFlightPerPod"]
    pool = {
        "http": {"http2MaxRequests": limit, "http1MaxPendingRequests": limit, "idleTimeout": f"{IDLE_SECONDS}s"},
        "tcp": {"maxConnections": 10 * limit},
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": server, "namespace": NAMESPACE},
        "spec": {
            "workloadSelector": _labels(server),
            "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
            "egress": [{"hosts": REACHED}],
            "inboundConnectionPool": pool,
        },
    }


def service(table: dict[str, Any]) -> dict[str, Any]:
    """ConfigMap of the rate limit service: a tenant without a line of its own has its own count, too."""
    tenants = sorted(table["tenants"].items(), key=lambda item: item[0] == "default")
    by_tenant = [
        _entry("tenant", None if name == "default" else name)
        | {
            "descriptors": [
                _limit("method", CALL, limits["callsPerMinute"]),
                _limit("method", UNREAD, limits["callsPerMinute"]),
                _limit("method", None, limits["otherPerMinute"]),  # each other method by itself
            ]
        }
        for name, limits in tenants
    ]
    by_tool = [
        _entry("server", name.split("/")[0])
        | {
            "descriptors": [
                _entry("tenant") | {"descriptors": [_limit("tool", name.split("/")[1], limits["callsPerMinute"])]}
            ]
        }
        for name, limits in sorted(table["tools"].items())
    ]
    config = {"domain": "mcp", "descriptors": [_entry("verb", "POST") | {"descriptors": by_tenant}, *by_tool]}
    text = yaml.safe_dump(config, sort_keys=False)
    meta = {"name": "ratelimit", "namespace": "mcp-limits"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mcp.yaml": text}}


def _entry(key: str, value: str | None = None) -> dict[str, Any]:
    return {"key": key} if value is None else {"key": key, "value": value}


def _limit(key: str, value: str | None, per_minute: int) -> dict[str, Any]:
    return _entry(key, value) | {"rate_limit": {"unit": "minute", "requests_per_unit": per_minute}}


def _labels(server: str) -> dict[str, Any]:
    return {"labels": {"app.kubernetes.io/name": server}}


def _header(key: str, value: str) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _always() -> dict[str, Any]:
    return {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def files(table: dict[str, Any]) -> dict[str, str]:
    """Name of each generated file and its text."""
    found: dict[str, tuple[str, dict[str, Any]]] = {"generated-configmap-ratelimit.yaml": ("service", service(table))}
    for name, numbers in table["servers"].items():
        found[f"generated-envoyfilter-local-{name}.yaml"] = ("local", local(name, numbers, table))
        found[f"generated-envoyfilter-global-{name}.yaml"] = ("service", over_all_pods(name))
        found[f"generated-sidecar-{name}.yaml"] = ("sidecar", in_flight(name, numbers))
    return {name: _HEAD.format(_REASON[why]) + _dump(value) for name, (why, value) in found.items()}


class _Dumper(yaml.SafeDumper):
    """Without anchors for what occurs twice, and with texts of several lines as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _text)


def _dump(value: dict[str, Any]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120)


def main(words: list[str]) -> int:
    """Writes or compares; 1 where a file is not what the table makes."""
    wanted = files(yaml.safe_load((FOLDER / "limits.yaml").read_text()))
    if words == ["--write"]:
        for name, text in wanted.items():
            (FOLDER / name).write_text(text)
        return 0
    stale = [
        name for name, text in wanted.items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text
    ]
    if stale:
        sys.stderr.write(f"{', '.join(stale)}: not what limits.yaml makes; run python -m tools.mesh_limits --write\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
