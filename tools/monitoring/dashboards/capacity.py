"""Resource utilisation for capacity planning: asked, used, offered; how it grows, and when what ends."""

from app.telemetry import AHEAD, DAY, DEMAND, HEADROOM, NODE_LEAD, PODS_AHEAD, REQUIRED
from tools.monitoring import limits
from tools.monitoring.dashboard import PAGE, PROMETHEUS, WORKLOAD_PAGE, Dashboard
from tools.monitoring.dashboards.common import (
    FORECASTS,
    NAMESPACES,
    WORKLOADS,
    marks,
    namespace,
    or_zero,
    series,
    stat,
    table,
    workload,
)
from tools.monitoring.panels import Panel, Query, Row
from tools.monitoring.rules import cluster

_WEEK, _MONTH = 7 * 86_400, 30 * 86_400
_UNITS = {"cpu": "short", "memory": "bytes"}
_CALLED = {"cpu": "CPU", "memory": "Memory"}
_HPA = "kube_horizontalpodautoscaler"


def capacity() -> Dashboard:
    """D3, O3, O4."""
    return Dashboard(
        uid="forescale-capacity",
        title="Forescale / capacity planning",
        description="What is asked for, used and offered, how fast it grows, and how many days are left.",
        variables=(PROMETHEUS, namespace(cluster.REQUESTED), workload(cluster.REQUESTED, "workload"), PAGE),
        marks=marks(),
        start="now-14d",
        content=(*_left(), *_growth(), *_pools(), *_workloads(), *_ahead(), *_room()),
    )


def _left() -> tuple[Row | Panel, ...]:
    days = limits.DAYS_LEFT
    full = cluster.DAYS_TO_FULL
    quota = 'max by (namespace, resourcequota, resource) (kube_resourcequota{%s,type="%s"})'
    return (
        Row("What is left, if the growth of two weeks goes on (nothing shown: it does not grow)"),
        stat("Days until CPU is full", "All nodes, by requests.", "d", f'{full}{{resource="cpu"}}', limit=days),
        stat("Days until memory is full", "All nodes, by requests.", "d", f'{full}{{resource="memory"}}', limit=days),
        stat(
            "Days until an HPA's maximum",
            "Of the HPA that reaches it first.",
            "d",
            f"min({cluster.HPA_DAYS}{{{NAMESPACES}}})",
            limit=days,
        ),
        stat(
            "Fullest pool",
            "Share of what its nodes offer that is asked for.",
            "percentunit",
            f"max({cluster.POOL_REQUESTED} / {cluster.POOL_ALLOCATABLE})",
            limit=limits.REQUESTED,
        ),
        stat(
            "Fullest quota",
            "Largest share that a namespace uses of one.",
            "percentunit",
            f"max({quota % (NAMESPACES, 'used')} / {quota % (NAMESPACES, 'hard')})",
            limit=limits.QUOTA,
        ),
        stat(
            "Pods without a node",
            "Unschedulable now.",
            "short",
            or_zero(f"sum(max by (namespace, pod) (kube_pod_status_unschedulable{{{NAMESPACES}}}))"),
            limit=limits.NONE,
        ),
    )


def _growth() -> tuple[Row | Panel, ...]:
    return (Row("Growth of the whole cluster"), *(_expected(one) for one in _UNITS), _backtest("cpu"))


def _expected(resource: str) -> Panel:
    peak = f'{cluster.PEAK}{{resource="{resource}"}}'
    ahead = f"predict_linear({peak}[{cluster.GROWTH_DAYS}d], %d) and {cluster.long_known(peak)}"
    return series(
        f"{_CALLED[resource]}: peak and what is expected",
        "Largest requests of a day, the same in 7 and in 30 days by the line through two weeks, and what nodes offer.",
        _UNITS[resource],
        Query(peak, "peak of the day"),
        Query(ahead % _WEEK, "expected in 7 days"),
        Query(ahead % _MONTH, "expected in 30 days"),
        Query(f'{cluster.ALLOCATABLE}{{resource="{resource}"}}', "offered by nodes"),
    )


def _backtest(resource: str) -> Panel:
    peak = f'{cluster.PEAK}{{resource="{resource}"}}'
    line = f"predict_linear({peak}[{cluster.GROWTH_DAYS}d] offset 7d, {_WEEK})"
    return series(
        f"{_CALLED[resource]}: how good that was",
        "The peak of a day, and what the line of seven days earlier had expected for it.",
        _UNITS[resource],
        Query(peak, "peak of the day"),
        Query(f"{line} and {cluster.long_known(peak, since_days=7)}", "expected 7 days before"),
    )


def _pools() -> tuple[Row | Panel, ...]:
    made = [
        series(
            f"{_CALLED[one]} by pool",
            "Requests of live pods, share of what the pool's nodes offer.",
            "percentunit",
            Query(
                f'{cluster.POOL_REQUESTED}{{resource="{one}"}} / {cluster.POOL_ALLOCATABLE}{{resource="{one}"}}',
                "{{pool}}",
            ),
            limit=limits.REQUESTED,
            most=1,
        )
        for one in _UNITS
    ]
    by = "max by (nodepool, resource_type)"
    limited = series(
        "Karpenter pools: used of the limit",
        "Share of a NodePool's own limit; at 1 no node is added.",
        "percentunit",
        Query(
            f"{by} (karpenter_nodepools_usage) / ({by} (karpenter_nodepools_limit) > 0)",
            "{{nodepool}} {{resource_type}}",
        ),
        limit=limits.QUOTA,
    )
    return (Row("Pools of nodes"), *made, limited)


def _workloads() -> tuple[Row | Panel, ...]:
    asked = f"{cluster.REQUESTED}{{{WORKLOADS}%s}}"
    used = f"{cluster.USED}{{{WORKLOADS}%s}}"
    cpu, memory = ',resource="cpu"', ',resource="memory"'
    unavailable = (
        f"kube_deployment_spec_replicas{{{NAMESPACES}}} - kube_deployment_status_replicas_available{{{NAMESPACES}}}"
    )
    return (
        Row("Workloads: asked and used"),
        series(
            "CPU used of asked",
            "Cores, share of requests.",
            "percentunit",
            Query(f"{used % cpu} / {asked % cpu}", "{{workload}}"),
            limit=limits.USED_OF_REQUESTED,
        ),
        series(
            "Memory used of asked",
            "Working set, share of requests.",
            "percentunit",
            Query(f"{used % memory} / {asked % memory}", "{{workload}}"),
            limit=limits.USED_OF_REQUESTED,
        ),
        series(
            "Pods short",
            "Asked for by Deployments and not available.",
            "short",
            Query(f"clamp_min({unavailable}, 0)", "{{deployment}}"),
            limit=limits.PENDING_PODS,
        ),
        table(
            "CPU asked for and not used",
            "Cores, mean of the range: the ten largest.",
            "short",
            f"topk(10, avg_over_time({asked % cpu}[$__range]) - avg_over_time({used % cpu}[$__range]))",
            width=8,
        ),
        table(
            "Memory asked for and not used",
            "Mean of the range: the ten largest.",
            "bytes",
            f"topk(10, avg_over_time({asked % memory}[$__range]) - avg_over_time({used % memory}[$__range]))",
            width=8,
        ),
        table(
            "Days until the HPA's maximum",
            "By the growth of daily peaks over two weeks; those that do not grow are absent.",
            "d",
            f"bottomk(10, {cluster.HPA_DAYS}{{{NAMESPACES}}})",
            width=8,
            limit=limits.DAYS_LEFT,
        ),
        series(
            "Pod-minutes of the last replayed day",
            "Asked for, used, needed by a perfect forecast, asked for by the HPA alone, and missing with and without.",
            "short",
            Query(f"sum by (kind) (max by (namespace, name, kind) ({DAY.name}{{{FORECASTS}}}))", "{{kind}}"),
            width=24,
        ),
    )


def _room() -> tuple[Row | Panel, ...]:
    each = "max by (namespace, name)"
    return (
        Row("Room on nodes (LoadForecasts that ask for it)"),
        series(
            "Pods ahead",
            "That the forecast sees within the leads of a node and a pod.",
            "short",
            Query(f"{each} ({PODS_AHEAD.name}{{{FORECASTS}}})", "{{name}}"),
            links=(WORKLOAD_PAGE,),
        ),
        series(
            "Room held for pods",
            "On nodes that are there already or asked for, so that these pods need not wait for one.",
            "short",
            Query(f"{each} ({HEADROOM.name}{{{FORECASTS}}})", "{{name}}"),
        ),
        series(
            "Lead of nodes",
            "From asking for a node until it takes pods, as planned with.",
            "s",
            Query(f"max by (namespace, name, origin) ({NODE_LEAD.name}{{{FORECASTS}}})", "{{name}} {{origin}}"),
        ),
    )


def _ahead() -> tuple[Row | Panel, ...]:
    each = "max by (namespace, name)"
    ahead = f'{AHEAD.name}{{{FORECASTS},horizon="6h",quantile="0.95"}}'
    current = f"{_HPA}_status_%s_replicas{{{NAMESPACES}}}"
    return (
        Row("Hours ahead"),
        series(
            "Demand and what is required",
            "Measured, and the quantile until new pods are up; in the unit of demand.",
            "short",
            Query(f"{each} ({DEMAND.name}{{{FORECASTS}}})", "{{name}} measured"),
            Query(f"{each} ({REQUIRED.name}{{{FORECASTS}}})", "{{name}} required"),
            links=(WORKLOAD_PAGE,),
        ),
        series(
            "Demand in six hours",
            "95 % quantile of the forecast for six hours ahead, drawn when it was made.",
            "short",
            Query(f"{each} ({ahead})", "{{name}}"),
            links=(WORKLOAD_PAGE,),
        ),
        series(
            "Pods wanted and running",
            "As the HPAs say.",
            "short",
            Query(f"sum(max by (namespace, horizontalpodautoscaler) ({current % 'desired'}))", "wanted"),
            Query(f"sum(max by (namespace, horizontalpodautoscaler) ({current % 'current'}))", "running"),
        ),
    )
