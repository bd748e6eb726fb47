"""Simple cost tracking: what is paid, for which pool, workload and tenant, and what of it is idle."""

from app.telemetry import DAY_SAVED, DAY_SAVED_MONEY, POD_HOUR
from tools.monitoring import limits
from tools.monitoring.dashboard import PAGE, PROMETHEUS, WORKLOAD_PAGE, Dashboard
from tools.monitoring.dashboards.common import (
    FORECASTS,
    NAMESPACES,
    WORKLOADS,
    marks,
    namespace,
    series,
    stat,
    table,
    workload,
)
from tools.monitoring.panels import Panel, Query, Row
from tools.monitoring.rules import cost as rules
from tools.monitoring.rules import demand

CURRENCY = "currencyUSD"
"""OpenCost's own default; Grafana only writes the sign."""
_MONTH_HOURS = 730
_SPENT_STEP_MINUTES = 5
"""Costs an hour are added up at this step, at which a series counts only while it was there. Fixed, so that the sum
does not depend on how often they were recorded; no longer than Prometheus looks back."""
_SPOT_SHARE = f"sum({rules.NODE_COST} * on (node) max by (node) (kubecost_node_is_spot)) / sum({rules.NODE_COST})"


def cost() -> Dashboard:
    """D4."""
    return Dashboard(
        uid="forescale-cost",
        title="Forescale / cost",
        description="Cost an hour of nodes and of what runs on them, spent over the range, and the idle rest.",
        variables=(PROMETHEUS, namespace(rules.WORKLOAD_COST), workload(rules.WORKLOAD_COST, "workload"), PAGE),
        marks=marks(),
        start="now-7d",
        content=(*_now(), *_spent(), *_saved(), *_where(), *_worth()),
    )


def over_range(expr: str) -> str:
    """What a cost an hour comes to over the dashboard's range."""
    return f"sum_over_time({expr}[$__range:{_SPENT_STEP_MINUTES}m]) * {_SPENT_STEP_MINUTES} / 60"


def _now() -> tuple[Row | Panel, ...]:
    workloads = f"sum({rules.WORKLOAD_COST}{{{WORKLOADS}}})"
    nodes = f"sum({rules.POOL_COST})"
    return (
        Row("Now"),
        stat(
            "Nodes, an hour",
            "All pools, at the price that OpenCost or the price file has.",
            CURRENCY,
            nodes,
        ),
        stat("Nodes, a month", "730 hours at the present rate.", CURRENCY, f"{nodes} * {_MONTH_HOURS}"),
        stat("Chosen workloads, an hour", "By what they ask for or use, the larger.", CURRENCY, workloads),
        stat("Chosen workloads, a month", "730 hours at the present rate.", CURRENCY, f"{workloads} * {_MONTH_HOURS}"),
        stat(
            "Idle",
            "Share of the nodes' cost that no workload asks for.",
            "percentunit",
            f"1 - sum({rules.WORKLOAD_COST}) / {nodes}",
            limit=limits.Limit(0.4, "a third of headroom is plenty"),
        ),
        stat("Spot", "Share of the nodes' cost that is spot capacity.", "percentunit", _SPOT_SHARE, limit=limits.SPOT),
    )


def _spent() -> tuple[Row | Panel, ...]:
    return (
        Row("Spent over the range"),
        table(
            "By workload",
            "The ten dearest of the chosen.",
            CURRENCY,
            f"topk(10, {over_range(f'{rules.WORKLOAD_COST}{{{WORKLOADS}}}')})",
            width=8,
        ),
        table(
            "By tenant",
            "Namespaces' label forescale.dev/tenant; without it the namespace itself.",
            CURRENCY,
            f"topk(10, {over_range(rules.TENANT_COST)})",
            width=8,
        ),
        table(
            "By pool",
            "What the pool's nodes cost, idle ones included.",
            CURRENCY,
            f"topk(10, {over_range(rules.POOL_COST)})",
            width=8,
        ),
    )


def _saved() -> tuple[Row | Panel, ...]:
    each = f"max by (namespace, name) ({DAY_SAVED.name}{{{FORECASTS}}})"
    money = f"max by (namespace, name, currency) ({DAY_SAVED_MONEY.name}{{{FORECASTS}}})"
    links = (WORKLOAD_PAGE,)
    return (
        Row("Saved by forecasting, on the last day that was replayed"),
        series(
            "Pod-minutes",
            "Against the HPA alone, missing pods counted at their price; below zero reacting would have been cheaper.",
            "short",
            Query(each, "{{name}}"),
            limit=limits.SKILL,
            least=None,
            links=links,
        ),
        series(
            "Money",
            "The same, where a pod-minute has a price (costs of the LoadForecast).",
            CURRENCY,
            Query(money, "{{name}} {{currency}}"),
            limit=limits.SKILL,
            least=None,
            links=links,
        ),
        series(
            "Price of a forecast pod-hour",
            "What a pod-hour that is expected costs on the next node of each pool: by it pools are chosen.",
            CURRENCY,
            Query(f"max by (pool) ({POD_HOUR.name})", "{{pool}}"),
        ),
    )


def _of_volumes(metric: str) -> str:
    return f"max by (persistentvolume) ({metric})"


def _where() -> tuple[Row | Panel, ...]:
    size = "kube_persistentvolume_capacity_bytes"
    return (
        Row("An hour"),
        series(
            "By workload",
            "Shares of CPU and memory at the price of the node.",
            CURRENCY,
            Query(f"{rules.WORKLOAD_COST}{{{WORKLOADS}}}", "{{workload}}"),
            stacked=True,
        ),
        series(
            "By tenant",
            "All workloads of a tenant's namespaces.",
            CURRENCY,
            Query(rules.TENANT_COST, "{{tenant}}"),
            stacked=True,
        ),
        series("By pool", "All nodes of a pool.", CURRENCY, Query(rules.POOL_COST, "{{pool}}"), stacked=True),
        series(
            "Paid and asked for",
            "The space between the lines is idle.",
            CURRENCY,
            Query(f"sum({rules.POOL_COST})", "nodes"),
            Query(f"sum({rules.WORKLOAD_COST})", "asked for"),
        ),
        series(
            "Spot", "Share of the nodes' cost.", "percentunit", Query(_SPOT_SHARE, "spot"), limit=limits.SPOT, most=1
        ),
        series(
            "Volumes",
            "Persistent volumes, by size and price.",
            CURRENCY,
            Query(f"sum({_of_volumes('pv_hourly_cost')} * {_of_volumes(size)} / 1073741824)", "volumes"),
            stacked=True,
        ),
    )


def _worth() -> tuple[Row | Panel, ...]:
    a_service = f'label_replace({rules.WORKLOAD_COST}{{{WORKLOADS}}}, "service", "$1", "workload", "(.+)")'
    a_million = f"sum by (namespace, service) ({a_service}) / (({demand.OPERATIONS}{{{NAMESPACES}}} > 0) * 3600) * 1e6"
    return (
        Row("What it buys"),
        series(
            "A million operations",
            "Cost of a workload by the operations that it handles meanwhile.",
            CURRENCY,
            Query(a_million, "{{service}}"),
            width=12,
        ),
        series(
            "Operations",
            "Handled a second.",
            "ops",
            Query(f"{demand.OPERATIONS}{{{NAMESPACES}}}", "{{service}}"),
            width=12,
        ),
    )
