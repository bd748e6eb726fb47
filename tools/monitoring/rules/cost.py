"""What workloads, pools and tenants cost an hour, from OpenCost's metrics; in the currency that OpenCost is set to."""

from tools.monitoring.rules.cluster import POOL_OF, WORKLOAD_OF
from tools.monitoring.rules.model import Group, Record, RuleFile

NODE_COST = "node:cost:hourly"
POOL_COST = "pool:cost:hourly"
WORKLOAD_COST = "workload:cost:hourly"
TENANT_COST = "tenant:cost:hourly"
TENANT_OF = "namespace:tenant:info"

_TENANT_LABEL = "label_forescale_dev_tenant"
_GIB = "1073741824"


def cost() -> RuleFile:
    """Nodes are what is paid; workloads are given the shares that they ask for, the rest is idle."""
    why = "cost an hour; the difference between pools and workloads is what nobody asked for."
    return RuleFile("cost", (Group("forescale-cost", why, _records(), interval="1m"),))


def _records() -> tuple[Record, ...]:
    cpu = (
        "sum by (namespace, pod, node) (container_cpu_allocation)"
        " * on (node) group_left () max by (node) (node_cpu_hourly_cost)"
    )
    memory = (
        f"sum by (namespace, pod, node) (container_memory_allocation_bytes) / {_GIB}"
        " * on (node) group_left () max by (node) (node_ram_hourly_cost)"
    )
    pods = f"sum by (namespace, pod) ({cpu}\n+ {memory})"
    tenant = f'label_replace(kube_namespace_labels{{{_TENANT_LABEL}!=""}}, "tenant", "$1", "{_TENANT_LABEL}", "(.+)")'
    itself = 'label_replace(kube_namespace_labels, "tenant", "$1", "namespace", "(.+)")'
    by = "max by (namespace, tenant)"
    shares = f"sum by (namespace) ({WORKLOAD_COST}) * on (namespace) group_left (tenant) {TENANT_OF}"
    return (
        Record(NODE_COST, "max by (node) (node_total_hourly_cost)"),
        Record(POOL_COST, f"sum by (pool) ({NODE_COST} * on (node) group_left (pool) {POOL_OF})"),
        Record(
            WORKLOAD_COST,
            f"sum by (namespace, workload) ({pods}\n* on (namespace, pod) group_left (workload) {WORKLOAD_OF})",
        ),
        Record(TENANT_OF, f"{by} ({tenant})\nor on (namespace)\n{by} ({itself})"),
        Record(TENANT_COST, f"sum by (tenant) ({shares})"),
    )
