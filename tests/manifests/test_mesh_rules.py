"""mesh/istio without a mesh: what must agree with what, and what must never be retried."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.test_samples import rendered
from tools import canary, mesh_limits

UVICORN_AND_NODE_HANG_UP_SECONDS = 5  # unless they are told otherwise
ISTIO = Path(__file__).parents[2] / "mesh" / "istio"


def load(path: str) -> Any:
    return yaml.safe_load((ISTIO / path).read_text())


def test_helm_values_and_istiooperator_describe_the_same_control_plane() -> None:
    operator, helm = load("control-plane/istiooperator.yaml")["spec"], load("control-plane/helm/istiod.yaml")
    assert (helm["revision"], helm["revisionTags"]) == (operator["revision"], ["stable"])
    assert helm["global"] == {"hub": operator["hub"], "tag": operator["tag"], **operator["values"]["global"]}
    assert helm["meshConfig"] == operator["meshConfig"]
    assert {key: helm[key] for key in operator["values"]["pilot"]} == operator["values"]["pilot"]
    assert load("control-plane/helm/base.yaml")["defaultRevision"] == operator["revision"]


def test_proxies_drain_for_longer_than_the_longest_call_and_pods_for_longer_than_proxies() -> None:
    drain = load("control-plane/istiooperator.yaml")["spec"]["meshConfig"]["defaultConfig"]["terminationDrainDuration"]
    gateway = load("gateway/deployment.yaml")["spec"]["template"]["spec"]
    calls = {one["name"]: one for one in load("traffic/virtualservice-mcp-catalog.yaml")["spec"]["http"]}["calls"]
    assert int(calls["timeout"][:-1]) < int(drain[:-1]) < gateway["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("server", ["mcp-catalog", "mcp-workshop"])
def test_only_methods_without_effect_of_clients_whose_headers_are_checked_are_retried(server: str) -> None:
    for route in load(f"traffic/virtualservice-{server}.yaml")["spec"]["http"]:
        if route["retries"]["attempts"]:
            assert route["name"] == "safe"
            (match,) = route["match"]
            assert match["headers"]["mcp-protocol-version"] == {"exact": "2026-07-28"}
            assert "call" not in match["headers"]["mcp-method"]["regex"]


def test_limits_are_what_the_table_makes() -> None:
    wanted = mesh_limits.files(load("limits/limits.yaml"))
    assert {name: (mesh_limits.FOLDER / name).read_text() for name in wanted} == wanted


@pytest.mark.parametrize("server", ["mcp-catalog", "mcp-workshop"])
def test_the_callers_limit_of_calls_in_flight_is_what_all_pods_take(server: str) -> None:
    table = load("limits/limits.yaml")
    numbers = table["servers"][server]
    rule = load(f"traffic/destinationrule-{server}.yaml")["spec"]["trafficPolicy"]["connectionPool"]["http"]
    assert rule["http2MaxRequests"] == numbers["capacityPerPod"] * table["headroom"] * numbers["maxPods"]


@pytest.mark.parametrize(
    "file",
    sorted([*ISTIO.rglob("destinationrule-mcp-*.yaml"), *ISTIO.rglob("generated-sidecar-*.yaml")]),
    ids=lambda file: file.stem,
)
def test_a_proxy_gives_an_idle_connection_up_before_any_server_does(file: Path) -> None:
    rule = yaml.safe_load(file.read_text())["spec"]
    pool = rule["inboundConnectionPool"] if "inboundConnectionPool" in rule else rule["trafficPolicy"]["connectionPool"]
    assert 0 < int(pool["http"]["idleTimeout"].removesuffix("s")) < UVICORN_AND_NODE_HANG_UP_SECONDS


@pytest.mark.parametrize("server", ["mcp-catalog", "mcp-workshop"])
def test_limits_start_from_the_capacity_that_the_forecast_and_the_hpa_use(server: str) -> None:
    numbers = load("limits/limits.yaml")["servers"][server]
    objects = rendered(ISTIO.parents[1] / "examples" / "mcp" / "k8s" / "base" / server.removeprefix("mcp-"))
    specs = {one["kind"]: one.get("spec") for one in objects}
    forecast, hpa = specs["LoadForecast"], specs["HorizontalPodAutoscaler"]
    assert (numbers["capacityPerPod"], numbers["maxPods"]) == (forecast["capacityPerPod"], hpa["maxReplicas"])


def test_the_filter_that_replaces_a_clusters_http_options_repeats_the_destination_rules() -> None:
    pool = load("traffic/destinationrule-mcp-catalog.yaml")["spec"]["trafficPolicy"]["connectionPool"]
    patch = load("limits/envoyfilter-outlier-jsonrpc.yaml")["spec"]["configPatches"][0]["patch"]["value"]
    (options,) = patch["typed_extension_protocol_options"].values()
    assert options["common_http_protocol_options"] == {"idle_timeout": "4s", "max_connection_duration": "1800s"}
    assert (pool["http"]["idleTimeout"], pool["tcp"]["maxConnectionDuration"]) == ("4s", "30m")


@pytest.mark.parametrize(
    ("canary_side", "objections"),
    [
        (canary.Side(100, 1, 0.11), 0),
        (canary.Side(49, 0, 0.1), 1),  # too few calls
        (canary.Side(100, 3, 0.1), 1),  # 3 % against 1 %
        (canary.Side(100, 1, 0.13), 1),  # slower by more than a quarter
        (canary.Side(0, 0, float("nan")), 2),
    ],
)
def test_a_canary_gets_more_only_while_it_is_as_good(canary_side: canary.Side, objections: int) -> None:
    assert len(canary.objections(canary.Side(1000, 10, 0.1), canary_side)) == objections


def test_shares_are_set_on_every_route_that_has_a_canary_and_on_no_other() -> None:
    service = load("traffic/virtualservice-mcp-catalog.yaml")
    tested = [one["value"] for one in canary.patches(service, 10) if one["op"] == "test"]
    assert tested == ["listen", "safe", "calls"]
    assert [one["value"] for one in canary.patches(service, 10) if one["op"] == "add"] == [90, 10] * 3
