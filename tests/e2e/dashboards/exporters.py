"""The played cluster on a port, as a program of its own, and its past: raw for some hours, recorded for weeks.

`python -m tests.e2e.dashboards.exporters PORT SINCE`: since which Unix second the cluster grows.
"""

import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.telemetry import (
    AHEAD,
    CERTIFICATE_END,
    DAY,
    DAY_SAVED,
    DAY_SAVED_MONEY,
    DEMAND,
    HEADROOM,
    NODE_LEAD,
    POD_HOUR,
    PODS_AHEAD,
    REQUIRED,
)
from examples.mcp.demo.day import Daily
from tests.e2e.dashboards.played import (
    CORES,
    CPU_SHARE,
    DAY_SECONDS,
    GIB,
    NODE_GIB,
    NODES,
    PRICE,
    TENANTS,
    WORKLOADS,
    Cluster,
    Sample,
    text,
)
from tools.monitoring.rules import cluster as rules
from tools.monitoring.rules import cost

FORECASTS = {"mcp-catalog": Daily(base=4, hump=4), "mcp-workshop": Daily(base=4, hump=3)}
"""LoadForecasts of the suite, and the operations a second that they have had; the load goes on from there."""
RAW_SECONDS, RAW_STEP_SECONDS = 6 * 3600, 120
RECORDED_DAYS, RECORDED_STEP_SECONDS = 15, 300
GROWTH_DAYS = 36


def serve(port: int, *, since_s: float) -> None:
    """The cluster of now as /metrics on a loopback port, until the process is ended."""
    cluster, certificate = Cluster(since_s), _certificate(time.time())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            samples = (*cluster.samples(time.time()), certificate)
            body = "".join(f"{line}\n" for line in text(samples)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def raw_past(cluster: Cluster, *, until_s: float) -> Iterator[str]:
    """What would have been scraped in the last hours; without pods' own series, of which there are many."""
    end_s = int(until_s) // RAW_STEP_SECONDS * RAW_STEP_SECONDS
    for time_s in range(end_s - RAW_SECONDS, end_s, RAW_STEP_SECONDS):
        yield from text((one for one in cluster.samples(time_s) if "pod" not in one[1]), time_s=time_s)


def recorded_past(cluster: Cluster, *, until_s: float) -> Iterator[str]:
    """What the rules of tools/monitoring would have recorded of the same cluster; no rule looks back by itself."""
    end_s = int(until_s) // RECORDED_STEP_SECONDS * RECORDED_STEP_SECONDS
    for time_s in range(end_s - RECORDED_DAYS * DAY_SECONDS, end_s, RECORDED_STEP_SECONDS):
        yield from text(_recorded(cluster, time_s), time_s=time_s)


def _recorded(cluster: Cluster, time_s: float) -> Iterator[Sample]:
    asked: dict[tuple[str, str], float] = defaultdict(float)
    spent: dict[str, float] = defaultdict(float)
    for one in WORKLOADS:
        pods = one.replicas(time_s, cluster.since_s)
        labels = {"namespace": one.namespace, "workload": one.name}
        for resource, each in (("cpu", one.cpu), ("memory", one.memory_gib * GIB)):
            asked[one.pool, resource] += pods * each
            yield rules.REQUESTED, labels | {"resource": resource}, pods * each
            yield rules.USED, labels | {"resource": resource}, pods * each * one.used * 0.95
        hpa = {"namespace": one.namespace, "horizontalpodautoscaler": one.name}
        yield rules.HPA_PEAK, hpa, max(one.replicas(time_s - back * 3600, cluster.since_s) for back in range(0, 24, 2))
        a_pod = PRICE[one.pool] * (one.cpu * CPU_SHARE / CORES + one.memory_gib * (1 - CPU_SHARE) / NODE_GIB)
        spent[one.namespace] += pods * a_pod
        yield cost.WORKLOAD_COST, labels, pods * a_pod
    yield from ((cost.TENANT_COST, {"tenant": TENANTS.get(one, one)}, value) for one, value in spent.items())
    for pool, count in NODES.items():
        yield POD_HOUR.name, {"pool": pool, "currency": "USD"}, PRICE[pool] / 12
        yield cost.POOL_COST, {"pool": pool}, count * PRICE[pool]
        yield from ((cost.NODE_COST, {"node": f"{pool}-{number}"}, PRICE[pool]) for number in range(count))
        for resource, each in (("cpu", CORES), ("memory", NODE_GIB * GIB)):
            yield rules.POOL_REQUESTED, {"pool": pool, "resource": resource}, asked[pool, resource]
            yield rules.POOL_ALLOCATABLE, {"pool": pool, "resource": resource}, count * each


def growth_past(cluster: Cluster, *, until_s: float) -> Iterator[str]:
    """Daily peaks of the whole cluster, for long enough to see what a line through two weeks was worth."""
    end_s = int(until_s) // RECORDED_STEP_SECONDS * RECORDED_STEP_SECONDS
    for time_s in range(end_s - GROWTH_DAYS * DAY_SECONDS, end_s, RECORDED_STEP_SECONDS):
        yield from text(_peaks(cluster, time_s), time_s=time_s)


def _peaks(cluster: Cluster, time_s: float) -> Iterator[Sample]:
    for resource, each in (("cpu", CORES), ("memory", NODE_GIB * GIB)):
        labels = {"resource": resource}
        yield rules.ALLOCATABLE, labels, sum(NODES.values()) * each
        yield rules.PEAK, labels, max(_asked(cluster, time_s - back * 3600, resource) for back in range(0, 24, 2))


def service_past(*, until_s: float) -> Iterator[str]:
    """What the service and the sample servers would have said, for dashboards that show weeks."""
    end_s = int(until_s) // RECORDED_STEP_SECONDS * RECORDED_STEP_SECONDS
    for time_s in range(end_s - RECORDED_DAYS * DAY_SECONDS, end_s, RECORDED_STEP_SECONDS):
        yield from text((_certificate(until_s),), time_s=time_s)
        for name, daily in FORECASTS.items():
            yield from text(_said(name, daily, time_s), time_s=time_s)


def _certificate(issued_s: float) -> Sample:
    """Of a service that serves over TLS: the one of the suite does not."""
    return CERTIFICATE_END.name, {"job": "forescale"}, issued_s + 60 * DAY_SECONDS


def _said(name: str, daily: Daily, time_s: float) -> Iterator[Sample]:
    who = {"namespace": "mcp", "name": name}
    yield DEMAND.name, who, daily.at(time_s)
    yield REQUIRED.name, who, max(daily.at(time_s + ahead) for ahead in range(0, 900, 300)) * 1.2
    yield AHEAD.name, who | {"horizon": "6h", "quantile": "0.95"}, daily.at(time_s + 6 * 3600) * 1.2
    day = time_s // DAY_SECONDS * DAY_SECONDS
    worth = 500 + 300 * (daily.at(day) - daily.base)
    for kind, share in (
        ("asked", 1.0),
        ("used", 0.8),
        ("needed", 0.75),
        ("hpa_only", 1.2),
        ("short", 0.01),
        ("hpa_short", 0.05),
    ):
        yield DAY.name, who | {"kind": kind}, 4_000 * share + worth * (share > 0.5)
    yield DAY_SAVED.name, who, worth
    yield DAY_SAVED_MONEY.name, who | {"currency": "USD"}, worth * PRICE["stateless-spot"] / 12 / 60
    room = math.ceil(daily.at(time_s + 600) / 4)
    yield PODS_AHEAD.name, who, room + 2
    yield HEADROOM.name, who, room
    yield NODE_LEAD.name, who | {"origin": "Fallback"}, 240


def _asked(cluster: Cluster, time_s: float, resource: str) -> float:
    each = {one.name: one.cpu if resource == "cpu" else one.memory_gib * GIB for one in WORKLOADS}
    return sum(one.replicas(time_s, cluster.since_s) * each[one.name] for one in WORKLOADS)


if __name__ == "__main__":
    serve(int(sys.argv[1]), since_s=float(sys.argv[2]))
