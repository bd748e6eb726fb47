"""`make bench-savings`: the ledger of recorded loads' last week, and what node groups cost by the forecast pod-hour.

The first table is what the running service would tell of each load at its end: fitted once on the 42 days before, the
last seven days held out and replayed day by day. Capacity: 20 pods on average; lead 5 minutes; a missing pod-minute
costs 20 idle ones; money at 0.001 a pod-minute. The second one weighs three node groups for three needs of pods, the
third one times the answers of the gRPC expander.
"""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from app.pipeline.fitting import HOLD_OUT_DAYS, FitJob, fit_block
from app.planning.ledger import LEDGER, ledger
from app.pricing.choice import reckon
from app.pricing.decisions import decide
from app.pricing.prices import Pool, PoolPrice, Price, PriceList
from app.serving.expander.wire import messages, offers_of
from app.sources.history_file import read_history
from models.experts.registry import CAREFUL
from models.series import Series

PRICE, LEAD_MINUTES, PODS, POD_MINUTE = 20.0, 5, 20, 0.001
HISTORY_DAYS = 42
MINUTES_PER_DAY = 1_440
GROUPS = {
    "small spot (4 pods, 0.04)": (0.04, 4),
    "small (4 pods, 0.10)": (0.10, 4),
    "large (35 pods, 0.60)": (0.60, 35),
}
STEPS = 360  # minutes that are looked ahead
NEEDS: dict[str, NDArray[np.float64]] = {
    "1 pod for 20 minutes": np.where(np.arange(STEPS) < 20, 1.0, 0.0),
    "30 pods for 20 minutes, then 2": np.where(np.arange(STEPS) < 20, 30.0, 2.0),
    "a rise from 1 to 60 pods": np.linspace(1, 60, STEPS),
}


def main(traces: Annotated[Path, typer.Argument(help="Folder of CSV files timestamp,value.")]) -> None:
    """Prints both tables."""
    kinds = ("asked", "hpa_only", "needed", "used", "short", "hpa_short")
    print(f"{'load':24s} {'days':>4s} {'acted':>5s} " + " ".join(f"{one:>10s}" for one in kinds), end=" ")
    print(f"{'saved':>10s} {'share':>7s} {'money':>8s} {'fit s':>6s}")
    for path in sorted(traces.glob("*.csv.gz")):
        began = time.perf_counter()
        days = week(path)
        seconds = time.perf_counter() - began
        of = {name: days[LEDGER.index(name)] for name in LEDGER}
        saved = of["hpa_only"] - of["asked"] + PRICE * (of["hpa_short"] - of["short"])
        share = saved.sum() / (of["hpa_only"] + PRICE * of["hpa_short"]).sum()
        print(f"{path.name.removesuffix('.csv.gz'):24s} {days.shape[1]:4d} {of['acted'].sum():5.0f}", end=" ")
        print(" ".join(f"{of[name].sum():10,.0f}" for name in kinds), end=" ")
        print(f"{saved.sum():10,.0f} {share:7.1%} {saved.sum() * POD_MINUTE:8.2f} {seconds:6.1f}", flush=True)
    print("\nprice of a forecast pod-hour, the cheapest with a star")
    print(f"{'needed':32s} " + " ".join(f"{name:>26s}" for name in GROUPS))
    for need, pods in NEEDS.items():
        print(f"{need:32s} " + " ".join(f"{one:>26s}" for one in weighed(pods)))
    print("\nmilliseconds to read and answer a request of the gRPC expander")
    for groups, pods_pending in ((3, 10), (20, 100), (20, 1_000)):
        size, milliseconds = answered(groups, pods_pending)
        print(
            f"{groups:3d} groups, {pods_pending:5,d} pending pods, {size / 1e6:5.2f} MB: {milliseconds:7.1f} ms",
            flush=True,
        )


def week(path: Path) -> NDArray[np.float64]:
    """(LEDGER, days) of a load's last days."""
    known = read_history(path).known
    series = known.tail(min(known.steps, HISTORY_DAYS * MINUTES_PER_DAY))
    one = np.ones(1)
    capacity = max(float(np.nanmean(series.values)) / PODS, 1e-9) * one
    lead = np.asarray([LEAD_MINUTES])
    job = FitJob(
        keys=("load",),
        series=Series(series.start_s, series.step_seconds, series.values),
        window_steps=lead + 1,
        lead_steps=lead,
        level=PRICE / (PRICE + 1) * one,
        price=PRICE * one,
        capacity_per_pod=capacity,
        levels=(0.5,),
        horizon=LEAD_MINUTES + 1,
        hold_out_steps=min(HOLD_OUT_DAYS * MINUTES_PER_DAY, series.steps // 3),
        hold_steps=np.asarray([5]),
        roster=CAREFUL,
    )
    found = ledger(fit_block(job).verdict.daily, price=job.price, modes=("Auto",))[0].astype(np.float64)
    replayed: NDArray[np.float64] = found[:, found[LEDGER.index("seconds")] > 0]
    return replayed


def answered(groups: int, pods: int) -> tuple[int, float]:
    """Bytes of a request in which each group would help all the pods, and the least of five times to decide it."""
    quantity = messages.Quantity
    asked = {"cpu": quantity(string="450m"), "memory": quantity(string="512Mi")}
    owner = messages.OwnerReference(kind="ReplicaSet", name="web-7d9f", controller=True)
    pod = messages.Pod(
        metadata=messages.ObjectMeta(namespace="mcp", labels={"pod-template-hash": "7d9f"}, ownerReferences=[owner]),
        spec=messages.PodSpec(
            containers=[messages.Container(name="app", resources=messages.ResourceRequirements(requests=asked))]
        ),
    ).SerializeToString()
    room = {"cpu": quantity(string="16"), "memory": quantity(string="64Gi"), "pods": quantity(string="110")}
    node = messages.Node(status=messages.NodeStatus(allocatable=room)).SerializeToString()
    names = [f"asg-pool-{place}" for place in range(groups)]
    raw = messages.BestOptionsRequest(
        options=[messages.Option(nodeGroupId=name, nodeCount=pods // 30 + 1, podBytes=[pod] * pods) for name in names],
        nodeBytesMap=dict.fromkeys(names, node),
    ).SerializeToString()
    prices = PriceList(tuple(PoolPrice(Pool(name, name), Price(0.6, "EUR", "File", 0.0)) for name in names))
    more = np.linspace(0, 60, STEPS)

    def once() -> float:
        began = time.perf_counter()
        offers = offers_of(messages.BestOptionsRequest.FromString(raw))
        decide(offers, prices, lambda targets: more, step_hours=1 / 60, now=0.0)
        return 1_000 * (time.perf_counter() - began)

    return len(raw), min(once() for _ in range(5))


def weighed(needed: NDArray[np.float64]) -> list[str]:
    """A column for each group, each growing by the nodes that what is pending now wants, as Cluster Autoscaler does."""
    pending = float(needed[0])
    prices = {}
    for name, (hourly, fit) in GROUPS.items():
        nodes = max(int(np.ceil(pending / fit)), 1)
        found = reckon(node_hourly=hourly, nodes=nodes, fit=fit * nodes, needed=needed, step_hours=1 / 60)
        prices[name] = found.price
    least = min(prices.values())
    return [f"{price:.4f}{'*' if price == least else ' '}" for price in prices.values()]


if __name__ == "__main__":
    typer.run(main)
