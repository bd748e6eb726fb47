"""What workloads, pools and tenants cost an hour: by OpenCost where it is, else by the price file."""

from app.telemetry import NODE_PRICE
from tools.monitoring.rules.cluster import LIVE_REQUESTS, POOL_ALLOCATABLE, POOL_OF, WORKLOAD_OF
from tools.monitoring.rules.model import Group, Record, RuleFile

NODE_COST = "node:cost:hourly"
POOL_COST = "pool:cost:hourly"
WORKLOAD_COST = "workload:cost:hourly"
TENANT_COST = "tenant:cost:hourly"
TENANT_OF = "namespace:tenant:info"

_TENANT_LABEL = "label_forescale_dev_tenant"
_GIB = "1073741824"
_CONTAINER = "max by (namespace, pod, container, node)"


def cost() -> RuleFile:
    """Nodes are what is paid; workloads are given the shares that they ask for, the rest is idle."""
    why = "cost an hour; the difference between pools and workloads is what nobody asked for."
    return RuleFile("cost", (Group("forescale-cost", why, _records(), interval="1m"),))


def _records() -> tuple[Record, ...]:
    tenant = f'label_replace(kube_namespace_labels{{{_TENANT_LABEL}!=""}}, "tenant", "$1", "{_TENANT_LABEL}", "(.+)")'
    itself = 'label_replace(kube_namespace_labels, "tenant", "$1", "namespace", "(.+)")'
    by = "max by (namespace, tenant)"
    shares = f"sum by (namespace) ({WORKLOAD_COST}) * on (namespace) group_left (tenant) {TENANT_OF}"
    listed = f"count by (pool) ({POOL_OF}) * on (pool) max by (pool) ({NODE_PRICE.name})"
    return (
        Record(NODE_COST, "max by (node) (node_total_hourly_cost)"),
        Record(
            POOL_COST, f"sum by (pool) ({NODE_COST} * on (node) group_left (pool) {POOL_OF})\nor on (pool)\n{listed}"
        ),
        Record(WORKLOAD_COST, f"{_of_workloads(_allocated())}\nor on (namespace, workload)\n{_of_workloads(_asked())}"),
        Record(TENANT_OF, f"{by} ({tenant})\nor on (namespace)\n{by} ({itself})"),
        Record(TENANT_COST, f"sum by (tenant) ({shares})"),
    )


def _of_workloads(pods: str) -> str:
    return f"sum by (namespace, workload) ({pods} * on (namespace, pod) group_left (workload) {WORKLOAD_OF})"


def _allocated() -> str:
    """By OpenCost: what a pod asks for or uses, the larger, at the prices of its node."""
    cpu = (
        f"sum by (namespace, pod, node) ({_CONTAINER} (container_cpu_allocation))"
        " * on (node) group_left () max by (node) (node_cpu_hourly_cost)"
    )
    memory = (
        f"sum by (namespace, pod, node) ({_CONTAINER} (container_memory_allocation_bytes)) / {_GIB}"
        " * on (node) group_left () max by (node) (node_ram_hourly_cost)"
    )
    return f"sum by (namespace, pod) ({cpu}\n+ {memory})"


def _asked() -> str:
    """Without OpenCost: the mean of a pod's shares of its pool's processors and memory."""
    on_node = f"sum by (namespace, pod, node, resource) ({LIVE_REQUESTS})"
    of_pool = f"({on_node} * on (node) group_left (pool) {POOL_OF})"
    share = f"{of_pool} / on (pool, resource) group_left () {POOL_ALLOCATABLE}"
    return f"sum by (namespace, pod) ({share} * on (pool) group_left () {POOL_COST}) / 2"
