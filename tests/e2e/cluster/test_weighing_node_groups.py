"""Node pools priced by OpenCost's metrics in a real Prometheus: what Cluster Autoscaler reads and is answered."""

import ssl
from typing import Any

import grpc
import httpx
import pytest
import yaml

from app.serving.expander import expander_pb2 as messages
from app.serving.expander.expander_pb2_grpc import ExpanderStub
from tests.e2e.cluster.conftest import Scenario
from tests.e2e.harness import node_prices, twins
from tests.e2e.harness.node_prices import ON_DEMAND, SPOT
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import HOST
from tests.e2e.harness.twins import Sample

CONFIG_MAP = ("configmap", "cluster-autoscaler-priority-expander", "-n", "kube-system")
CHEAP_SPOT, DEAR_SPOT = [SPOT, ON_DEMAND, ".*"], [ON_DEMAND, SPOT, ".*"]
ADMINISTRATOR = {"X-Remote-User": "administrator", "X-Remote-Group": "system:masters"}


def order(scenario: Scenario) -> list[str]:
    """Expressions by falling priority, as Cluster Autoscaler would read them now."""
    table = yaml.safe_load(scenario.plane.get(*CONFIG_MAP)["data"]["priorities"]) or {}
    return [one for priority in sorted(table, reverse=True) for one in table[priority]]


def becomes(scenario: Scenario, expected: list[str]) -> None:
    wait_until(lambda: order(scenario) == expected, seconds=60, what=f"the order is {expected}")


def protobuf(scenario: Scenario, path: str) -> bytes:
    """An object as kube-apiserver itself serializes it: what Cluster Autoscaler puts into its request."""
    admin = scenario.plane.cluster.issue("reader-of-bytes", organizations=("system:masters",))
    context = ssl.create_default_context(cafile=str(scenario.plane.cluster.file))
    context.load_cert_chain(admin.cert, admin.key)
    headers = {"Accept": "application/vnd.kubernetes.protobuf"}
    answer = httpx.get(f"{scenario.plane.url}{path}", headers=headers, verify=context)
    assert answer.content[:4] == b"k8s\0", answer.text[:200]
    return raw_of(answer.content[4:])


def raw_of(envelope: bytes) -> bytes:
    """Field 2 of runtime.Unknown; all its fields are of the kind that says its length."""
    place = 0
    while True:
        number = envelope[place] >> 3
        size, shift, place = 0, 0, place + 1
        while True:
            size |= (envelope[place] & 0x7F) << shift
            shift, place = shift + 7, place + 1
            if envelope[place - 1] < 0x80:
                break
        if number == 2:
            return envelope[place : place + size]
        place += size


def best_options(scenario: Scenario, request: Any) -> Any:
    """Over TLS, the server verified by its CA, no client certificate: as Cluster Autoscaler asks."""
    credentials = grpc.ssl_channel_credentials(scenario.plane.cluster.file.read_bytes())
    options = [("grpc.ssl_target_name_override", HOST)]
    address = f"127.0.0.1:{scenario.settings['FORESCALE_EXPANDER_PORT']}"
    with grpc.secure_channel(address, credentials, options=options) as channel:
        return ExpanderStub(channel).BestOptions(request, timeout=5)


@pytest.fixture
def request_of_the_autoscaler(scenario: Scenario) -> Any:
    """Two node groups that would help a pod of the twins; pod and templates are the API server's own bytes."""
    name = scenario.plane.get("pods", "-n", twins.NAMESPACE)["items"][0]["metadata"]["name"]
    pod = protobuf(scenario, f"/api/v1/namespaces/{twins.NAMESPACE}/pods/{name}")
    groups = {f"asg-{pool}-1": node for pool, node in node_prices.NODES.items()}
    return messages.BestOptionsRequest(
        options=[messages.Option(nodeGroupId=group, nodeCount=1, podBytes=[pod]) for group in groups],
        nodeBytesMap={group: protobuf(scenario, f"/api/v1/nodes/{node}") for group, node in groups.items()},
    )


def test_the_order_follows_prices_and_is_never_emptied(scenario: Scenario, surge: list[Sample]) -> None:
    """After the surge, so that the first order has lasted longer than a new one must wait."""
    becomes(scenario, CHEAP_SPOT)
    scenario.exporter.node_prices = {"node-0": 0.3, "node-1": 0.2}
    becomes(scenario, DEAR_SPOT)
    written = scenario.plane.get(*CONFIG_MAP, "--show-managed-fields")["metadata"]
    assert any(one["manager"] == "forescale" for one in written["managedFields"])
    scenario.exporter.node_prices = {}
    wait_until(lambda: troubles(scenario) == 2, seconds=60, what="both pools miss a new price")
    assert order(scenario) == DEAR_SPOT
    scenario.plane.kubectl("patch", *CONFIG_MAP, "--type=merge", "-p", '{"data": {"priorities": ""}}')
    becomes(scenario, DEAR_SPOT)


def troubles(scenario: Scenario) -> int:
    answer = scenario.service.get("/api/v1/prices", client=scenario.proxy, headers=ADMINISTRATOR)
    return sum(bool(one["trouble"]) for one in answer.json()["pools"])


def test_the_grpc_expander_chooses_by_price_and_says_why(scenario: Scenario, request_of_the_autoscaler: Any) -> None:
    answer = best_options(scenario, request_of_the_autoscaler)
    found = scenario.service.get("/api/v1/expander/decisions", client=scenario.proxy, headers=ADMINISTRATOR)
    decision = found.json()["items"][0]
    by_price = sorted(decision["weighed"], key=lambda one: one["pod_hour"])
    assert [one.nodeGroupId for one in answer.options] == [by_price[0]["group"]] == decision["chosen"]
    assert {one["pool"] for one in by_price} == {SPOT, ON_DEMAND}
    assert all(one["pods"] == 1 and one["fit"] >= 1 and one["text"] for one in by_price)


def test_where_it_cannot_choose_it_errs_so_that_the_autoscaler_goes_on(scenario: Scenario) -> None:
    unknown = messages.BestOptionsRequest(options=[messages.Option(nodeGroupId="asg-gpu-1", nodeCount=1)])
    with pytest.raises(grpc.RpcError) as caught:
        best_options(scenario, unknown)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
