"""A cluster of which only the exporters' words exist: those of kube-state-metrics, cAdvisor, OpenCost, Istio, ...

None of them runs without machines to tell of. Names and labels are those that they document, as listed in
tools/monitoring/exported.py; values are functions of the time, so that the past can be written before the first
scrape, and counters never fall.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

DAY_SECONDS = 86_400
GIB = 1 << 30
_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True)
class Wave:
    """`low` at midnight UTC, `low + swing` at noon, and a share more each day."""

    low: float
    swing: float
    growth_a_day: float = 0.0

    def at(self, time_s: float, *, since_s: float) -> float:
        """The level at a time."""
        phase = 2 * math.pi * (time_s % DAY_SECONDS) / DAY_SECONDS
        level = self.low + self.swing * (1 - math.cos(phase)) / 2
        return level * (1 + self.growth_a_day * (time_s - since_s) / DAY_SECONDS)

    def total(self, time_s: float, *, since_s: float) -> float:
        """Its integral, without the growth: what a counter shows that it is the rate of."""
        turn = 2 * math.pi / DAY_SECONDS
        passed = time_s - since_s
        return (self.low + self.swing / 2) * passed - self.swing / 2 / turn * (
            math.sin(turn * time_s) - math.sin(turn * since_s)
        )


@dataclass(frozen=True)
class Workload:
    """A Deployment with an HPA: pods over the day, what each asks for and uses."""

    namespace: str
    name: str
    pool: str
    pods: Wave
    most: int
    cpu: float
    memory_gib: float
    used: float
    requests_per_pod: float

    def replicas(self, time_s: float, since_s: float) -> int:
        """How many the HPA wants."""
        return min(self.most, math.ceil(self.pods.at(time_s, since_s=since_s)))


WORKLOADS = (
    Workload("mcp", "mcp-catalog", "stateless-spot", Wave(3, 8, 0.012), 20, 0.5, 0.5, 0.62, 4.0),
    Workload("mcp", "mcp-workshop", "stateful", Wave(4, 4, 0.006), 12, 1.0, 2.0, 0.45, 2.0),
    Workload("mcp", "mcp-registry", "stateless-spot", Wave(2, 1), 8, 0.25, 0.5, 0.7, 3.0),
    Workload("mcp", "mcp-agent", "stateless-spot", Wave(2, 6, 0.02), 16, 0.5, 1.0, 0.55, 1.0),
    Workload("batch", "reindex", "batch-spot", Wave(6, -4), 10, 1.0, 2.0, 0.9, 0.2),
)
NODES = {"system": 2, "stateless-spot": 3, "stateful": 3, "batch-spot": 2}
CORES, NODE_GIB = 8, 32
TENANTS = {"mcp": "gold"}
PRICE = {"system": 0.38, "stateless-spot": 0.12, "stateful": 0.38, "batch-spot": 0.11}
CPU_SHARE = 0.7


@dataclass(frozen=True)
class Cluster:
    """since_s: when its history begins."""

    since_s: float

    def samples(self, time_s: float) -> Iterator[Sample]:
        """All series at a time."""
        yield from self._nodes()
        for workload in WORKLOADS:
            yield from self._workload(workload, time_s)
            yield from self._mesh(workload, time_s)
        yield from self._namespaces()
        yield from self._control_planes(time_s)

    def _nodes(self) -> Iterator[Sample]:
        for pool, count in NODES.items():
            for name in (f"{pool}-{number}" for number in range(count)):
                node = {"node": name}
                yield "kube_node_info", node, 1
                yield "kube_node_labels", node | {"label_karpenter_sh_nodepool": pool}, 1
                yield "kube_node_status_condition", node | {"condition": "Ready", "status": "true"}, 1
                for resource, unit, value in (("cpu", "core", CORES), ("memory", "byte", NODE_GIB * GIB)):
                    yield "kube_node_status_allocatable", node | {"resource": resource, "unit": unit}, value
                priced = node | {"instance": name, "instance_type": "m", "region": "r", "provider_id": name}
                yield "node_total_hourly_cost", priced, PRICE[pool]
                yield "node_cpu_hourly_cost", priced, PRICE[pool] * CPU_SHARE / CORES
                yield "node_ram_hourly_cost", priced, PRICE[pool] * (1 - CPU_SHARE) / NODE_GIB
                yield "kubecost_node_is_spot", node | {"instance": name}, float(pool.endswith("spot"))
            for resource, value in (("cpu", count * CORES), ("memory", count * NODE_GIB * GIB)):
                limited = {"nodepool": pool, "resource_type": resource}
                yield "karpenter_nodepools_usage", limited, value
                yield "karpenter_nodepools_limit", limited, 2 * value

    def _workload(self, one: Workload, time_s: float) -> Iterator[Sample]:
        replicas = one.replicas(time_s, self.since_s)
        ready = one.replicas(time_s - 120, self.since_s)
        deployment = {"namespace": one.namespace, "deployment": one.name}
        yield "kube_deployment_spec_replicas", deployment, replicas
        yield "kube_deployment_status_replicas_available", deployment, min(ready, replicas)
        hpa = {"namespace": one.namespace, "horizontalpodautoscaler": one.name}
        for name, value in (
            ("spec_min", 2),
            ("spec_max", one.most),
            ("status_current", ready),
            ("status_desired", replicas),
        ):
            yield f"kube_horizontalpodautoscaler_{name}_replicas", hpa, value
        condition = {"condition": "ScalingActive", "status": "false"}
        yield "kube_horizontalpodautoscaler_status_condition", hpa | condition, 0
        owned = {"namespace": one.namespace, "replicaset": f"{one.name}-1"}
        yield "kube_replicaset_owner", owned | {"owner_kind": "Deployment", "owner_name": one.name}, 1
        yield "kube_replicaset_created", owned, self.since_s + 3 * DAY_SECONDS
        for number in range(replicas):
            yield from self._pod(one, number, time_s, running=number < ready)

    def _pod(self, one: Workload, number: int, time_s: float, *, running: bool) -> Iterator[Sample]:
        pod = {"namespace": one.namespace, "pod": f"{one.name}-1-{number}"}
        node = {"node": f"{one.pool}-{number % NODES[one.pool]}"}
        yield "kube_pod_owner", pod | {"owner_kind": "ReplicaSet", "owner_name": f"{one.name}-1"}, 1
        for phase in ("Running", "Pending"):
            yield "kube_pod_status_phase", pod | {"phase": phase}, float(running == (phase == "Running"))
        app = pod | {"container": "app"}
        cpu, memory = one.cpu, one.memory_gib * GIB
        for resource, unit, value in (("cpu", "core", cpu), ("memory", "byte", memory)):
            labels = app | node | {"resource": resource, "unit": unit}
            yield "kube_pod_container_resource_requests", labels, value
        yield "kube_pod_container_status_restarts_total", app, math.floor((time_s - self.since_s) / DAY_SECONDS / 3)
        busy = Wave(cpu * one.used * 0.7, cpu * one.used * 0.4)
        yield "container_cpu_usage_seconds_total", app, busy.total(time_s, since_s=self.since_s)
        yield "container_memory_working_set_bytes", app, memory * one.used
        allocated = app | node | {"instance": node["node"]}
        yield "container_cpu_allocation", allocated, cpu
        yield "container_memory_allocation_bytes", allocated, memory

    def _mesh(self, one: Workload, time_s: float) -> Iterator[Sample]:
        rate = Wave(one.requests_per_pod * one.pods.low, one.requests_per_pod * one.pods.swing)
        total = rate.total(time_s, since_s=self.since_s)
        called = {
            "reporter": "destination",
            "destination_workload": one.name,
            "destination_workload_namespace": one.namespace,
        }
        for share, code, version, method in (
            (0.9, "200", "stable", "tools/call"),
            (0.095, "200", "canary", "tools/list"),
            (0.005, "503", "stable", "tools/call"),
        ):
            labels = {"source_workload": "mcp-agent", "source_workload_namespace": "mcp", "mcp_method_name": method}
            labels |= {
                "destination_version": version,
                "response_code": code,
                "connection_security_policy": "mutual_tls",
            }
            yield "istio_requests_total", called | labels, share * total
        for le, share in (("10", 0.4), ("100", 0.8), ("1000", 0.98), ("10000", 1.0), ("+Inf", 1.0)):
            yield "istio_request_duration_milliseconds_bucket", called | {"le": le}, share * total

    def _namespaces(self) -> Iterator[Sample]:
        for namespace in sorted({one.namespace for one in WORKLOADS}):
            tenant = {"label_forescale_dev_tenant": TENANTS[namespace]} if namespace in TENANTS else {}
            labels = {"namespace": namespace} | tenant
            yield "kube_namespace_labels", labels, 1
            for kind, value in (("used", 21.0), ("hard", 40.0)):
                quota = {"namespace": namespace, "resourcequota": "compute", "resource": "requests.cpu", "type": kind}
                yield "kube_resourcequota", quota, value
        yield "kube_persistentvolume_capacity_bytes", {"persistentvolume": "pv-jaeger"}, 50 * GIB
        yield "pv_hourly_cost", {"persistentvolume": "pv-jaeger", "volumename": "pv-jaeger", "provider_id": "v"}, 0.0001
        claim = {"namespace": "tracing", "persistentvolumeclaim": "data-jaeger-0"}
        yield "kubelet_volume_stats_capacity_bytes", claim, 50 * GIB

    def _control_planes(self, time_s: float) -> Iterator[Sample]:
        passed = time_s - self.since_s
        claim = {"namespace": "tracing", "persistentvolumeclaim": "data-jaeger-0"}
        yield "kubelet_volume_stats_available_bytes", claim, (30 - passed / DAY_SECONDS / 2) * GIB
        yield "aggregator_unavailable_apiservice", {"name": "v1beta1.external.metrics.k8s.io"}, 0
        certificate = {"namespace": "forescale", "name": "forescale-serving"}
        yield "certmanager_certificate_expiration_timestamp_seconds", certificate, self.since_s + 75 * DAY_SECONDS
        yield "citadel_server_root_cert_expiry_timestamp", {}, self.since_s + 3_650 * DAY_SECONDS
        yield "pilot_xds", {"version": "1.31.0"}, sum(one.replicas(time_s, self.since_s) for one in WORKLOADS)
        for kind in ("cds", "eds", "lds", "rds"):
            yield "pilot_xds_pushes", {"type": kind}, passed * 0.2
        yield "pilot_total_xds_rejects", {"type": _LISTENER}, 1
        for le, share in (("0.1", 0.7), ("0.5", 0.9), ("1", 0.98), ("5", 1.0), ("+Inf", 1.0)):
            yield "pilot_proxy_convergence_time_bucket", {"le": le}, passed * 0.1 * share


def text(samples: Iterable[Sample], *, time_s: float | None = None) -> Iterator[str]:
    """Lines of exposition; with a time, those of a history."""
    for name, labels, value in samples:
        inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
        yield f"{name}{{{inner}}} {value:.10g}" + ("" if time_s is None else f" {time_s:.0f}")
