"""Workloads, nodes and quotas as kube-state-metrics and cAdvisor tell them, by workload and by pool of nodes."""

from tools.monitoring.limits import DAYS_LEFT, QUOTA
from tools.monitoring.rules.model import Alert, Group, Record, RuleFile

WORKLOAD_OF = "pod:workload:info"
POOL_OF = "node:pool:info"
REQUESTED = "workload:resource_requested:sum"
USED = "workload:resource_used:sum"
POOL_REQUESTED = "pool:resource_requested:sum"
POOL_ALLOCATABLE = "pool:resource_allocatable:sum"
PEAK = "cluster:resource_requested:max1d"
ALLOCATABLE = "cluster:resource_allocatable:sum"
DAYS_TO_FULL = "cluster:resource_days_to_full:deriv14d"
HPA_PEAK = "hpa:desired_replicas:max1d"
HPA_DAYS = "hpa:desired_replicas_days_to_maximum:deriv14d"
GROWTH_DAYS = 14
"""Two whole weeks: one season of the week does not look like growth."""

_POOLS = (
    "forescale_dev_pool",
    "karpenter_sh_nodepool",
    "eks_amazonaws_com_nodegroup",
    "cloud_google_com_gke_nodepool",
    "agentpool",
)
_SHORT_SHARE = 0.1
_LIVE = 'max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"} == 1)'
LIVE_REQUESTS = (
    "max by (namespace, pod, container, node, resource)"
    f' (kube_pod_container_resource_requests{{resource=~"cpu|memory"}}) * on (namespace, pod) group_left () {_LIVE}'
)
"""Once each: while kube-state-metrics is rolled, or has replicas, several say the same."""


def cluster() -> RuleFile:
    """Who asks for what, who uses what, and what runs out."""
    return RuleFile(
        "cluster",
        (
            Group("forescale-owners", "which workload a pod belongs to, and which pool a node.", _owners()),
            Group("forescale-resources", "asked for, used and offered, by workload and by pool.", _resources()),
            Group(
                "forescale-growth", "daily peaks of what is asked for, and days until nodes are full.", _growth(), "5m"
            ),
            Group("forescale-capacity", "pods that lack, autoscalers and nodes at their limit.", _alerts()),
        ),
    )


def _owners() -> tuple[Record, ...]:
    replicaset = 'label_replace(kube_pod_owner{owner_kind="ReplicaSet"}, "replicaset", "$1", "owner_name", "(.+)")'
    deployment = 'max by (namespace, replicaset, owner_name) (kube_replicaset_owner{owner_kind="Deployment"})'
    of_deployments = f"{replicaset} * on (namespace, replicaset) group_left (owner_name) {deployment}"
    others = 'kube_pod_owner{owner_kind=~"StatefulSet|DaemonSet|Job"}'
    by = "max by (namespace, workload, pod)"
    pools = [
        f'label_replace(kube_node_labels{{label_{one}!=""}}, "pool", "$1", "label_{one}", "(.+)")' for one in _POOLS
    ]
    named = "\nor on (node)\n".join(f"max by (node, pool) ({one})" for one in pools)
    rest = 'max by (node, pool) (label_replace(kube_node_info, "pool", "none", "", ""))'
    return (
        Record(
            WORKLOAD_OF,
            f'{by} (label_replace({of_deployments}, "workload", "$1", "owner_name", "(.+)"))\n'
            f'or\n{by} (label_replace({others}, "workload", "$1", "owner_name", "(.+)"))',
        ),
        Record(POOL_OF, f"{named}\nor on (node)\n{rest}"),
    )


def _resources() -> tuple[Record, ...]:
    of_workload = f"on (namespace, pod) group_left (workload) {WORKLOAD_OF}"
    by = "sum by (namespace, workload, resource)"
    cpu = 'sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{container!=""}[5m]))'
    memory = 'sum by (namespace, pod) (container_memory_working_set_bytes{container!=""})'
    offered = 'max by (node, resource) (kube_node_status_allocatable{resource=~"cpu|memory"})'
    on_node = f"sum by (node, resource) ({LIVE_REQUESTS})"
    of_pool = f"on (node) group_left (pool) {POOL_OF}"
    return (
        Record(REQUESTED, f"{by} (sum by (namespace, pod, resource) ({LIVE_REQUESTS}) * {of_workload})"),
        Record(USED, f"sum by (namespace, workload) ({cpu} * {of_workload})", {"resource": "cpu"}),
        Record(USED, f"sum by (namespace, workload) ({memory} * {of_workload})", {"resource": "memory"}),
        Record(POOL_REQUESTED, f"sum by (pool, resource) ({on_node} * {of_pool})"),
        Record(POOL_ALLOCATABLE, f"sum by (pool, resource) ({offered} * {of_pool})"),
        Record(ALLOCATABLE, f"sum by (resource) ({offered})"),
        Record("cluster:resource_requested:sum", f"sum by (resource) ({LIVE_REQUESTS})"),
    )


def _growth() -> tuple[Record, ...]:
    a_day = "(deriv({}[" + f"{GROWTH_DAYS}d]) * 86400 > 0)"
    by = "max by (namespace, horizontalpodautoscaler)"
    most = f"{by} (kube_horizontalpodautoscaler_spec_max_replicas)"
    return (
        Record(PEAK, "max_over_time(cluster:resource_requested:sum[1d])"),
        Record(DAYS_TO_FULL, f"clamp_min({ALLOCATABLE} - {PEAK}, 0) / {a_day.format(PEAK)} and {long_known(PEAK)}"),
        Record(HPA_PEAK, f"{by} (max_over_time(kube_horizontalpodautoscaler_status_desired_replicas[1d]))"),
        Record(HPA_DAYS, f"clamp_min({most} - {HPA_PEAK}, 0) / {a_day.format(HPA_PEAK)} and {long_known(HPA_PEAK)}"),
    )


def long_known(name: str, *, since_days: int = 0) -> str:
    """A condition: there is half of the window at least. A line through a few points goes anywhere."""
    return f"{name} offset {since_days + GROWTH_DAYS // 2}d"


def _alerts() -> tuple[Alert, ...]:
    wanted, there = "kube_deployment_spec_replicas", "kube_deployment_status_replicas_available"
    hpa = "kube_horizontalpodautoscaler"
    most, least = f"{hpa}_spec_max_replicas", f"{hpa}_spec_min_replicas"
    inactive = f'{hpa}_status_condition{{condition="ScalingActive", status="false"}} == 1'
    disabled = f"unless on (namespace, horizontalpodautoscaler) ({hpa}_status_desired_replicas == 0)"
    waiting = 'max by (namespace, pod) (kube_pod_status_phase{phase="Pending"} == 1)'
    pending = f"{waiting} * on (namespace, pod) group_left (workload) {WORKLOAD_OF}"
    quota = 'max by (namespace, resourcequota, resource) (kube_resourcequota{type="%s"})'
    who = "{{ $labels.namespace }}/{{ $labels.%s }}"
    return (
        Alert(
            "WorkloadCapacityShort",
            f"({wanted} - {there}) / ({wanted} > 0) > {_SHORT_SHARE:g}",
            "10m",
            "critical",
            f"{who % 'deployment'} lacks {{{{ $value | humanizePercentage }}}} of its pods for ten minutes",
        ),
        Alert(
            "HpaAtMaximum",
            f"{hpa}_status_current_replicas >= {most} and {most} > {least}",
            "15m",
            "warning",
            f"{who % 'horizontalpodautoscaler'} cannot follow its load any more",
        ),
        Alert(
            "HpaCannotScale",
            f"({inactive}) {disabled}",
            "10m",
            "warning",
            f"{who % 'horizontalpodautoscaler'} gets none of its metrics: it holds what it has",
        ),
        Alert(
            "PodsPending",
            f"sum by (namespace, workload) ({pending}) > 0",
            "10m",
            "warning",
            f"{{{{ $value }}}} pods of {who % 'workload'} wait for ten minutes",
        ),
        Alert(
            "NodesShort",
            "sum(max by (namespace, pod) (kube_pod_status_unschedulable)) > 0",
            "10m",
            "critical",
            "{{ $value }} pods find no node for ten minutes: no node comes, or none would fit",
        ),
        Alert(
            "NodesRunOut",
            f"{DAYS_TO_FULL} < {DAYS_LEFT.value:g}",
            "6h",
            "warning",
            "requests of {{ $labels.resource }} grow so that all nodes are full in {{ $value | humanize }} days",
        ),
        Alert(
            "QuotaNearlyUsed",
            f"{quota % 'used'} / ({quota % 'hard'} > 0) > {QUOTA.value:g}",
            "15m",
            "warning",
            "{{ $labels.namespace }} uses {{ $value | humanizePercentage }} of its quota of {{ $labels.resource }}",
        ),
    )
