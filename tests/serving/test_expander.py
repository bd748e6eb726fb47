"""Cluster Autoscaler's gRPC expander over real gRPC on loopback: what is chosen, why, and when nothing is."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from app.pricing.decisions import Decisions
from app.pricing.prices import Pool, PoolPrice, Price
from app.serving.expander import expander_pb2 as messages
from app.serving.expander.expander_pb2_grpc import ExpanderStub
from app.serving.expander.server import Expander, expander_server
from app.serving.expander.wire import requests_of
from app.serving.rest.routes import rest_app
from app.settings import Settings
from app.snapshot import Snapshot, SnapshotStore
from tests.conftest import CUT_S, economics_of
from tests.serving.access_authorities import SERVER, authority, issue
from tests.serving.rest_doubles import FixedClock, NoInquiries

MakeSnapshot = Callable[..., Snapshot]
SMALL, LARGE = {"cpu": "2", "memory": "8Gi", "pods": "110"}, {"cpu": "16", "memory": "64Gi", "pods": "110"}


def pool(name: str, hourly: float | None) -> PoolPrice:
    price = None if hourly is None else Price(hourly, "EUR", "OpenCost", CUT_S - 30.0)
    return PoolPrice(Pool(name, name), price, "" if price else "OpenCost says nothing of it")


POOLS = (pool("small", 0.1), pool("large", 0.6))


@dataclasses.dataclass
class Asked:
    """Who asks, and what is kept of it."""

    stub: Any
    decisions: Decisions
    outcomes: list[str]


@asynccontextmanager
async def serving(
    store: SnapshotStore, decisions: Decisions, outcomes: list[str], **settings: Any
) -> AsyncIterator[int]:
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    chosen = Settings(
        host="127.0.0.1", authentication="none", expander_port=0, prices_file=Path("prices.yaml"), **settings
    )
    expander = Expander(store, clock=FixedClock(), decisions=decisions, count=outcomes.append)
    task = asyncio.ensure_future(expander_server(expander, chosen, on_listening=listening.set_result)())
    try:
        yield await asyncio.wait_for(listening, 10)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def asking(snapshot: Snapshot | None) -> AsyncIterator[Asked]:
    decisions, outcomes = Decisions(), []
    store = SnapshotStore(snapshot)
    async with (
        serving(store, decisions, outcomes) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Asked(ExpanderStub(channel), decisions, outcomes)


def pod(name: str, *, target: str = "workload-00000", **requests: str) -> Any:
    asked = requests or {"cpu": "450m", "memory": "512Mi"}
    return messages.Pod(
        metadata=messages.ObjectMeta(
            name=name,
            namespace="mcp",
            labels={"pod-template-hash": "7d9f"},
            ownerReferences=[messages.OwnerReference(kind="ReplicaSet", name=f"{target}-7d9f", controller=True)],
        ),
        spec=messages.PodSpec(containers=[messages.Container(name="app", resources=resources(asked))]),
    )


def resources(requests: dict[str, str]) -> Any:
    return messages.ResourceRequirements(
        requests={name: messages.Quantity(string=amount) for name, amount in requests.items()}
    )


def template(allocatable: dict[str, str]) -> Any:
    quantities = {name: messages.Quantity(string=amount) for name, amount in allocatable.items()}
    return messages.Node(status=messages.NodeStatus(allocatable=quantities))


def request(groups: dict[str, tuple[int, dict[str, str]]], pods: Sequence[Any] = (), *, old: bool = False) -> Any:
    """As Cluster Autoscaler 1.35 and newer sends it, or as older ones do."""
    pods = pods or [pod("p0")]
    options = [
        messages.Option(
            nodeGroupId=group,
            nodeCount=nodes,
            debug=f"MixedSet, {nodes}",
            **({"pod": pods} if old else {"podBytes": [one.SerializeToString() for one in pods]}),
        )
        for group, (nodes, _) in groups.items()
    ]
    nodes = {group: template(allocatable) for group, (_, allocatable) in groups.items()}
    if old:
        return messages.BestOptionsRequest(options=options, nodeMap=nodes)
    return messages.BestOptionsRequest(
        options=options, nodeBytesMap={group: one.SerializeToString() for group, one in nodes.items()}
    )


BOTH = {"asg-small-1": (1, SMALL), "asg-large-1": (1, LARGE)}


def expecting(
    make_snapshot: MakeSnapshot, pods: float, *, pools: tuple[PoolPrice, ...] = POOLS, **columns: Any
) -> Snapshot:
    """The first workload asks for 2 pods now and is expected to want `pods` over the next six hours."""
    snapshot = make_snapshot(2, horizon_step_seconds=60, **columns)
    quantiles = np.full((2, 360, 3), 10.0 * pods, dtype=np.float32)
    return dataclasses.replace(snapshot, quantiles=quantiles, economics=economics_of(snapshot.forecasts, pools=pools))


def chosen(answer: Any) -> list[str]:
    return [one.nodeGroupId for one in answer.options]


@pytest.mark.parametrize("old", [False, True])
async def test_for_a_pod_or_two_the_small_node_is_cheaper(make_snapshot: MakeSnapshot, old: bool) -> None:
    async with asking(expecting(make_snapshot, 2)) as asked:
        answer = await asked.stub.BestOptions(request(BOTH, old=old))
        assert chosen(answer) == ["asg-small-1"]
        assert answer.options[0].nodeCount == 1
        assert answer.options[0].debug == "asg-small-1: a forecast pod-hour costs 0.1 EUR there."


@pytest.mark.parametrize("old", [False, True])
async def test_for_a_rise_that_stays_the_large_node_is_cheaper_by_the_pod(
    make_snapshot: MakeSnapshot, old: bool
) -> None:
    async with asking(expecting(make_snapshot, 60)) as asked:
        answer = await asked.stub.BestOptions(request(BOTH, old=old))
        assert chosen(answer) == ["asg-large-1"]
        (decision,) = asked.decisions.last()
        by_group = {one.group: one for one in decision.weighed}
        assert by_group["asg-large-1"].reckoned.fit == 35
        assert by_group["asg-large-1"].reckoned.price == pytest.approx(0.6 / 35)
        assert by_group["asg-small-1"].reckoned.price == pytest.approx(0.1 / 4)


async def test_a_rise_of_another_workload_does_not_count(make_snapshot: MakeSnapshot) -> None:
    async with asking(expecting(make_snapshot, 60)) as asked:
        assert chosen(await asked.stub.BestOptions(request(BOTH, [pod("p", target="stranger")]))) == ["asg-small-1"]


async def test_a_forecast_that_must_not_be_served_does_not_count(make_snapshot: MakeSnapshot) -> None:
    stale = expecting(make_snapshot, 60, data_s=np.full(2, CUT_S - 900.0))
    async with asking(stale) as asked:
        assert chosen(await asked.stub.BestOptions(request(BOTH))) == ["asg-small-1"]


async def test_groups_at_the_same_price_are_left_to_the_next_expander(make_snapshot: MakeSnapshot) -> None:
    async with asking(expecting(make_snapshot, 2)) as asked:
        twins = {"asg-small-a": (1, SMALL), "asg-small-b": (1, SMALL), "asg-large-1": (1, LARGE)}
        assert chosen(await asked.stub.BestOptions(request(twins))) == ["asg-small-a", "asg-small-b"]


async def test_a_group_without_a_price_is_left_out_and_that_is_said(make_snapshot: MakeSnapshot) -> None:
    snapshot = expecting(make_snapshot, 60, pools=(pool("small", 0.1), pool("large", None)))
    async with asking(snapshot) as asked:
        groups = {**BOTH, "asg-unknown": (1, SMALL)}
        assert chosen(await asked.stub.BestOptions(request(groups))) == ["asg-small-1"]
        texts = {one.group: one.text for one in asked.decisions.last()[0].weighed}
        assert texts["asg-large-1"] == "asg-large-1 has no price: OpenCost says nothing of it."
        assert texts["asg-unknown"] == "asg-unknown is of no pool of the price list."


async def test_a_price_that_is_old_counts_and_is_called_old(make_snapshot: MakeSnapshot) -> None:
    old = PoolPrice(Pool("small", "small"), Price(0.1, "EUR", "OpenCost", CUT_S - 7_200.0), "no answer")
    async with asking(expecting(make_snapshot, 2, pools=(old,))) as asked:
        await asked.stub.BestOptions(request({"asg-small-1": (1, SMALL)}))
        assert "by a price that is old" in asked.decisions.last()[0].weighed[0].text


@pytest.mark.parametrize(
    ("pools", "asked_for", "code"),
    [
        ((pool("small", None),), request(BOTH), grpc.StatusCode.FAILED_PRECONDITION),
        (POOLS, messages.BestOptionsRequest(), grpc.StatusCode.INVALID_ARGUMENT),
        (
            POOLS,
            messages.BestOptionsRequest(options=[messages.Option(nodeGroupId="asg-small-1", podBytes=[b"\xff"])]),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (POOLS, request({"asg-small-1": (1, {"cpu": "much"})}), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_where_nothing_can_be_chosen_there_is_an_error_and_the_autoscaler_goes_on(
    make_snapshot: MakeSnapshot,
    caplog: pytest.LogCaptureFixture,
    pools: tuple[PoolPrice, ...],
    asked_for: Any,
    code: grpc.StatusCode,
) -> None:
    async with asking(expecting(make_snapshot, 2, pools=pools)) as asked:
        with caplog.at_level(logging.WARNING), pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked.stub.BestOptions(asked_for)
        assert caught.value.code() == code
        assert asked.outcomes == ["refused"]
        assert "Cluster Autoscaler goes on without" in caplog.text


async def test_before_the_first_forecast_it_is_unavailable() -> None:
    async with asking(None) as asked:
        with pytest.raises(grpc.aio.AioRpcError, match="not there yet"):
            await asked.stub.BestOptions(request(BOTH))


async def test_the_autoscaler_verifies_the_server_and_shows_no_certificate(
    make_snapshot: MakeSnapshot, tmp_path: Path
) -> None:
    ours = authority("ours")
    server = issue("localhost", by=ours, usages=(SERVER,))
    (tmp_path / "cert").write_bytes(server.pem.encode())
    (tmp_path / "key").write_bytes(server.key_pem.encode())
    store = SnapshotStore(expecting(make_snapshot, 2))
    files = {"tls_cert_file": tmp_path / "cert", "tls_key_file": tmp_path / "key"}
    async with serving(store, Decisions(), [], **files) as port:
        for signer, allowed in ((ours, True), (authority("strangers"), False)):
            credentials = grpc.ssl_channel_credentials(signer.pem.encode())
            async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
                call = ExpanderStub(channel).BestOptions(request(BOTH), timeout=10)
                if allowed:
                    assert chosen(await call) == ["asg-small-1"]
                else:
                    with pytest.raises(grpc.aio.AioRpcError):
                        await call


def test_beyond_loopback_it_wants_a_certificate_and_everywhere_prices() -> None:
    files = {"tls_cert_file": Path("a"), "tls_key_file": Path("b")}
    with pytest.raises(ValidationError, match="set prices_file"):
        Settings(**files, expander_port=8086)
    assert Settings(**files, expander_port=8086, prices_file=Path("c")).expander_port == 8086


async def test_the_choices_are_explained_by_rest(make_snapshot: MakeSnapshot) -> None:
    snapshot = expecting(make_snapshot, 60)
    async with asking(snapshot) as asked:
        await asked.stub.BestOptions(request(BOTH))
        client = TestClient(rest_app(SnapshotStore(snapshot), FixedClock(), NoInquiries(), asked.decisions))
    (found,) = client.get("/expander/decisions").json()["items"]
    assert (found["chosen"], found["currency"]) == (["asg-large-1"], "EUR")
    large = next(one for one in found["weighed"] if one["group"] == "asg-large-1")
    assert (large["pool"], large["fit"], large["forecast_pods"], large["life_hours"]) == ("large", 35, 35, 6)
    assert large["text"] == (
        "asg-large-1: 1 x 0.6 EUR an hour for 6 h carry 35 of the 35 pods that fit on average, 0.01714 a pod-hour."
    )
    assert asked.outcomes == ["chosen"]


def test_a_pod_reserves_its_containers_sidecars_and_overhead_or_an_init_container_if_that_is_more() -> None:
    spec = messages.PodSpec(
        containers=[messages.Container(resources=resources({"cpu": "500m", "memory": "1Gi"}))],
        initContainers=[
            messages.Container(restartPolicy="Always", resources=resources({"cpu": "100m"})),
            messages.Container(resources=resources({"cpu": "900m"})),
        ],
        overhead={"cpu": messages.Quantity(string="50m")},
    )
    assert requests_of(spec) == pytest.approx({"cpu": 1.05, "memory": 2**30})
    spec.resources.requests["cpu"].string = "2"
    assert requests_of(spec)["cpu"] == pytest.approx(2.05)
