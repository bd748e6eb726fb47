"""Agent performance: what MCP clients and servers do, how fast, how often in vain, and what they hold open."""

from tools.monitoring import limits
from tools.monitoring.dashboard import PAGE, PROMETHEUS, TRACES, Choice, Dashboard, traces_of
from tools.monitoring.dashboards.common import (
    NAMESPACES,
    RATE,
    SERVICES,
    marks,
    namespace,
    or_zero,
    series,
    stat,
    table,
)
from tools.monitoring.panels import Panel, Query, Row
from tools.monitoring.rules import demand, slo

_SERVER = "mcp_server_operation_duration_seconds"
_CLIENT = "mcp_client_operation_duration_seconds"
_ANY = '__name__=~"mcp_(server|client)_operation_duration_seconds_count"'
_QUEUE = "forescale_mcp_server_queue_duration_seconds"
_TRACES = traces_of("${__field.labels.service}")
_ALL = f"{{{SERVICES}}}"


def agents() -> Dashboard:
    """D2, O1, O2."""
    return Dashboard(
        uid="forescale-agents",
        title="Forescale / agent performance",
        description="Throughput, latency and errors of MCP operations, at servers and at the agents that call them.",
        variables=(
            PROMETHEUS,
            namespace(f"{_SERVER}_count"),
            Choice("workload", f"{{{_ANY},{NAMESPACES}}}", "service"),
            TRACES,
            PAGE,
        ),
        marks=marks(),
        start="now-6h",
        content=(*_now(), *_throughput(), *_latency(), *_held(), *_callers()),
    )


def _quantile(level: float, metric: str, *by: str) -> str:
    return f"histogram_quantile({level:g}, sum by (le, {', '.join(by)}) (rate({metric}_bucket{_ALL}{RATE})))"


def _of_tools() -> str:
    calls = f'rate({_SERVER}_bucket{{{SERVICES},gen_ai_tool_name!=""}}{RATE})'
    return f"histogram_quantile(0.95, sum by (le, gen_ai_tool_name) ({calls}))"


def _rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}_count{{{SERVICES}{more}}}{RATE}))"


def _now() -> tuple[Row | Panel, ...]:
    failed = f'sum(rate({_SERVER}_count{{{SERVICES},error_type!=""}}{RATE}))'
    total = f"sum(rate({_SERVER}_count{_ALL}{RATE}))"
    return (
        Row("Now"),
        stat("Operations", "That servers handled, a second.", "ops", f"sum({demand.OPERATIONS}{_ALL})"),
        stat("In flight", "Being handled now, mean of a minute.", "short", f"sum({demand.IN_FLIGHT}{_ALL})"),
        stat(
            "Errors",
            "Share of operations with error.type, tools' own included.",
            "percentunit",
            f"({or_zero(failed)}) / ({total} > 0)",
            limit=limits.Limit(0.05, "one in twenty calls fails"),
        ),
        stat(
            "p99",
            "Of the time to handle an operation.",
            "s",
            f"histogram_quantile(0.99, sum by (le) (rate({_SERVER}_bucket{_ALL}{RATE})))",
            limit=limits.OPERATION_SECONDS,
        ),
        stat("Sessions", "Of the legacy era, open now.", "short", or_zero(f"sum({demand.SESSIONS}{_ALL})")),
        stat(
            "Budget burn",
            "Largest of all budgets over the last hour.",
            "short",
            f"max({slo.burn('1h')}{_ALL})",
            limit=limits.BURN,
        ),
    )


def _throughput() -> tuple[Row | Panel, ...]:
    return (
        Row("Throughput"),
        series(
            "Operations by server",
            "Handled a second.",
            "ops",
            Query(_rate(_SERVER, "namespace, service"), "{{service}}"),
            stacked=True,
            links=(_TRACES,),
        ),
        series(
            "Operations by method",
            "Handled a second; a method that the protocol lacks is _OTHER.",
            "ops",
            Query(_rate(_SERVER, "mcp_method_name"), "{{mcp_method_name}}"),
            stacked=True,
        ),
        series(
            "Tool calls",
            "Calls a second by tool; a name that the server does not list is _OTHER.",
            "ops",
            Query(_rate(_SERVER, "gen_ai_tool_name", ',gen_ai_tool_name!=""'), "{{gen_ai_tool_name}}"),
            stacked=True,
        ),
        series(
            "Operations by era",
            "By revision of the protocol: 2026-07-28 is stateless, older ones hold sessions.",
            "ops",
            Query(_rate(_SERVER, "mcp_protocol_version"), "{{mcp_protocol_version}}"),
            stacked=True,
        ),
        series(
            "Errors by kind",
            "Failed a second: protocol and transport are the server's fault, tool is the tool's.",
            "ops",
            Query(
                or_zero(
                    _rate(_SERVER, "forescale_mcp_error_kind", ',error_type!=""'), label="forescale_mcp_error_kind"
                ),
                "{{forescale_mcp_error_kind}}",
            ),
            stacked=True,
        ),
        series(
            "Error budgets",
            "How many times too fast each budget burns, over the last hour.",
            "short",
            Query(f"max by (namespace, service, objective) ({slo.burn('1h')}{_ALL})", "{{service}} {{objective}}"),
            limit=limits.BURN,
        ),
    )


def _latency() -> tuple[Row | Panel, ...]:
    return (
        Row("Latency"),
        series(
            "Time to handle",
            "Median, p95 and p99 of all operations; long-lived streams are left out.",
            "s",
            *(
                Query(_quantile(level, _SERVER, "service"), f"{{{{service}}}} p{100 * level:g}")
                for level in (0.5, 0.95, 0.99)
            ),
            limit=limits.OPERATION_SECONDS,
            links=(_TRACES,),
        ),
        series(
            "Time to handle, by tool",
            "95th percentile.",
            "s",
            Query(_of_tools(), "{{gen_ai_tool_name}}"),
            limit=limits.OPERATION_SECONDS,
        ),
        series(
            "Waiting before handling",
            "95th percentile of the time from the first byte to the start: a full server.",
            "s",
            Query(_quantile(0.95, _QUEUE, "service"), "{{service}}"),
        ),
        table(
            "Slowest tools",
            "95th percentile over the range, the ten slowest.",
            "s",
            "topk(10, histogram_quantile(0.95, sum by (le, namespace, service, gen_ai_tool_name) "
            f'(rate({_SERVER}_bucket{{{SERVICES},gen_ai_tool_name!=""}}[$__range]))))',
            limit=limits.OPERATION_SECONDS,
            links=(traces_of("${__data.fields.service}"),),
        ),
        table(
            "Calls and failures",
            "Share of failed calls over the range, by tool.",
            "percentunit",
            "topk(10, sum by (namespace, service, gen_ai_tool_name) "
            f'(increase({_SERVER}_count{{{SERVICES},gen_ai_tool_name!="",error_type!=""}}[$__range])) '
            "/ sum by (namespace, service, gen_ai_tool_name) "
            f'(increase({_SERVER}_count{{{SERVICES},gen_ai_tool_name!=""}}[$__range])))',
            links=(traces_of("${__data.fields.service}"),),
        ),
    )


def _held() -> tuple[Row | Panel, ...]:
    return (
        Row("In flight and held open"),
        series(
            "Operations in flight",
            "What stateless servers are scaled on, mean of a minute.",
            "short",
            Query(f"{demand.IN_FLIGHT}{_ALL}", "{{service}}"),
            stacked=True,
        ),
        series(
            "Sessions",
            "Of the legacy era; a stateful server's capacity is counted in them.",
            "short",
            Query(f"{demand.SESSIONS}{_ALL}", "{{service}}"),
            stacked=True,
        ),
        series(
            "Streams",
            "Standing GETs and subscriptions: a connection each, next to no processor.",
            "short",
            Query(f"{demand.STREAMS}{_ALL}", "{{service}}"),
            stacked=True,
        ),
    )


def _callers() -> tuple[Row | Panel, ...]:
    return (
        Row("Agents and other clients"),
        series(
            "Calls by agents",
            "Operations a second as clients count them.",
            "ops",
            Query(_rate(_CLIENT, "namespace, service"), "{{service}}"),
            stacked=True,
            links=(_TRACES,),
        ),
        series(
            "Time to an answer",
            "95th percentile as clients see it: network and queues included.",
            "s",
            Query(_quantile(0.95, _CLIENT, "service"), "{{service}}"),
            limit=limits.OPERATION_SECONDS,
            links=(_TRACES,),
        ),
        series(
            "Tasks in flight",
            "HTTP requests in flight at agents and registry.",
            "short",
            Query(f"{demand.REQUESTS}{_ALL}", "{{service}}"),
            stacked=True,
        ),
    )
