"""mesh/linkerd without a Linkerd: fields that its objects have, and what must agree with the other mesh."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import mesh_limits

MESH = Path(__file__).parents[2] / "mesh"
FOLDERS = ("injection", "hops", "traffic", "limits", "fault")

# Annotations by what they stand on, with the form of their values (linkerd.io, reference of proxy configuration).
SECONDS, COUNT = r"\d+(ms|s)", r"\d+"
ANNOTATIONS = {
    "Namespace": {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/default-inbound-policy": "deny",
        "config.linkerd.io/proxy-enable-native-sidecar": "true",
        "config.linkerd.io/shutdown-grace-period": SECONDS,
    },
    "Service": {
        "balancer.linkerd.io/failure-accrual": "consecutive",
        "balancer.linkerd.io/failure-accrual-consecutive-max-failures": COUNT,
        "balancer.linkerd.io/failure-accrual-consecutive-min-penalty": SECONDS,
        "balancer.linkerd.io/failure-accrual-consecutive-max-penalty": SECONDS,
    },
    "HTTPRoute": {
        "retry.linkerd.io/http": r"5xx|gateway-error",
        "retry.linkerd.io/limit": COUNT,
        "retry.linkerd.io/timeout": SECONDS,
        "timeout.linkerd.io/request": SECONDS,
    },
}
# The fields of `spec` that are used, by kind.
FIELDS = {
    "Server": {"podSelector", "port", "proxyProtocol", "accessPolicy"},
    "AuthorizationPolicy": {"targetRef", "requiredAuthenticationRefs"},
    "MeshTLSAuthentication": {"identities", "identityRefs"},
    "HTTPLocalRateLimitPolicy": {"targetRef", "total", "identity", "overrides"},
    "HTTPRoute": {"parentRefs", "rules"},
}
EFFECTFUL = ("tools/call", "resources/subscribe", "initialize")


@cache
def objects(folder: str) -> tuple[dict[str, Any], ...]:
    """What kustomize makes of a folder."""
    kubectl = Path(sys.executable).parent / "kubectl"
    command = [str(kubectl), "kustomize", str(MESH / "linkerd" / folder)]
    return tuple(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def of_kind(folder: str, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects(folder) if one["kind"] == kind}


def limits() -> Any:
    return yaml.safe_load((MESH / "istio" / "limits" / "limits.yaml").read_text())


@pytest.mark.parametrize("folder", FOLDERS)
def test_objects_have_only_fields_that_linkerd_knows(folder: str) -> None:
    for one in objects(folder):
        assert set(one.get("spec", {})) <= FIELDS.get(one["kind"], set(one.get("spec", {})))


@pytest.mark.parametrize("folder", FOLDERS)
def test_annotations_are_those_that_linkerd_reads_there(folder: str) -> None:
    for one in objects(folder):
        for key, value in one["metadata"].get("annotations", {}).items():
            assert re.fullmatch(ANNOTATIONS[one["kind"]][key], value), f"{one['metadata']['name']}: {key}={value}"


def test_a_proxy_waits_for_longer_than_the_longest_call() -> None:
    (namespace,) = objects("injection")
    grace = namespace["metadata"]["annotations"]["config.linkerd.io/shutdown-grace-period"]
    assert int(grace.removesuffix("s")) > 300


def test_only_what_has_no_effect_is_tried_again() -> None:
    routes = of_kind("traffic", "HTTPRoute")
    tried = {name for name, one in routes.items() if "retry.linkerd.io/http" in one["metadata"].get("annotations", {})}
    assert tried == {"mcp-catalog-safe", "mcp-registry-reads"}
    for rule in (rule for name in tried for rule in routes[name]["spec"]["rules"]):
        for match in rule["matches"]:
            headers = {one["name"]: one["value"] for one in match.get("headers", ())}
            assert match.get("method") == "GET" or headers["mcp-protocol-version"] == "2026-07-28"
            assert not any(re.fullmatch(headers.get("mcp-method", "-"), method) for method in EFFECTFUL)


def test_the_methods_that_are_tried_again_are_those_of_the_other_mesh() -> None:
    (rule,) = of_kind("traffic", "HTTPRoute")["mcp-catalog-safe"]["spec"]["rules"]
    istio = yaml.safe_load((MESH / "istio" / "traffic" / "virtualservice-mcp-catalog.yaml").read_text())
    safe = next(one for one in istio["spec"]["http"] if one["name"] == "safe")
    here = {one["name"]: one["value"] for one in rule["matches"][0]["headers"]}
    assert here["mcp-method"] == safe["match"][0]["headers"]["mcp-method"]["regex"]


def test_older_clients_stay_on_the_stable_version() -> None:
    *_, last = of_kind("traffic", "HTTPRoute")["mcp-catalog"]["spec"]["rules"]
    assert "matches" not in last
    assert [one["name"] for one in last["backendRefs"]] == ["mcp-catalog-stable"]


@pytest.mark.parametrize("folder", ["traffic", "fault"])
def test_every_backend_of_a_route_is_a_service_that_is_there(folder: str) -> None:
    services = {**of_kind("traffic", "Service"), **of_kind(folder, "Service")}
    for route in of_kind(folder, "HTTPRoute").values():
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                assert backend["port"] in {one["port"] for one in services[backend["name"]]["spec"]["ports"]}


def test_a_fault_is_for_callers_that_ask_for_it_and_never_for_a_call() -> None:
    (route,) = of_kind("fault", "HTTPRoute").values()
    for rule in route["spec"]["rules"]:
        for match in rule["matches"]:
            headers = {one["name"]: one["value"] for one in match["headers"]}
            assert headers["x-fault-test"] == "abort"
            assert not re.fullmatch(headers["mcp-method"], "tools/call")


@pytest.mark.parametrize("server", ["mcp-catalog", "mcp-workshop"])
def test_limits_follow_the_capacity_that_the_other_mesh_s_follow(server: str) -> None:
    policy, table = of_kind("limits", "HTTPLocalRateLimitPolicy")[server]["spec"], limits()
    capacity = mesh_limits.calls_per_second(table["servers"][server])
    assert policy["total"]["requestsPerSecond"] == int(capacity * table["headroom"])
    assert policy["identity"]["requestsPerSecond"] == int(capacity * table["tenantShareOfPod"])
    assert policy["targetRef"]["name"] in of_kind("hops", "Server")
