"""The mesh: who calls whom how well, is it all encrypted, and is the configuration in force."""

from tools.monitoring import limits
from tools.monitoring.dashboard import PAGE, PROMETHEUS, TRACES, Choice, Dashboard, traces_of
from tools.monitoring.dashboards.common import RATE, marks, or_zero, series, stat
from tools.monitoring.panels import Panel, Query, Row
from tools.monitoring.rules import mesh as rules

_TO = 'destination_workload_namespace=~"$namespace",destination_workload=~"$workload"'
_AT = f'reporter="destination",{_TO}'
_ENVOY = 'namespace=~"$namespace"'
_TRACES = traces_of("${__field.labels.destination_workload}")


def mesh() -> Dashboard:
    """Istio's own metrics, those of its proxies, and MCP methods as the proxies count them."""
    requests = "istio_requests_total"
    return Dashboard(
        uid="forescale-mesh",
        title="Forescale / mesh",
        description="Requests between workloads, mutual TLS, what proxies hold back, and the control plane.",
        variables=(
            PROMETHEUS,
            Choice("namespace", requests, "destination_workload_namespace"),
            Choice("workload", f'{requests}{{destination_workload_namespace=~"$namespace"}}', "destination_workload"),
            TRACES,
            PAGE,
        ),
        marks=marks(),
        start="now-6h",
        content=(*_now(), *_requests(), *_proxies(), *_control_plane()),
    )


def _requests_by(by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate(istio_requests_total{{{_AT}{more}}}{RATE}))"


def _now() -> tuple[Row | Panel, ...]:
    total = f"sum(rate(istio_requests_total{{{_AT}}}{RATE}))"
    failed = or_zero(f'sum(rate(istio_requests_total{{{_AT},response_code=~"5.."}}{RATE}))')
    safe = f'sum(rate(istio_requests_total{{{_AT},connection_security_policy="mutual_tls"}}{RATE}))'
    return (
        Row("Now"),
        stat("Requests", "A second, as the called side counts them.", "reqps", total),
        stat(
            "Failed",
            "Share with code 5xx.",
            "percentunit",
            f"({failed}) / ({total} > 0)",
            limit=limits.Limit(0.01, "retries hide less than this"),
        ),
        stat("Mutual TLS", "Share of the requests.", "percentunit", f"{safe} / ({total} > 0)", limit=limits.MUTUAL_TLS),
        stat("Proxies", "Connected to the control plane.", "short", "sum(pilot_xds)"),
        stat(
            "Rejected configuration",
            "Updates that a proxy refused, in the last 15 minutes.",
            "short",
            or_zero(f"sum({rules.REJECTED})"),
            limit=limits.NONE,
        ),
        stat(
            "Root certificate",
            "Time until it ends.",
            "s",
            "min(citadel_server_root_cert_expiry_timestamp) - time()",
            limit=limits.Limit(30 * 86_400, "a new root has to reach every proxy before", below=True),
        ),
    )


def _requests() -> tuple[Row | Panel, ...]:
    slow = (
        "histogram_quantile(0.95, sum by (le, destination_workload)"
        f" (rate(istio_request_duration_milliseconds_bucket{{{_AT}}}{RATE}))) / 1000"
    )
    called = "{{destination_workload}}"
    return (
        Row("Requests"),
        series(
            "By workload",
            "Requests a second that it gets.",
            "reqps",
            Query(_requests_by("destination_workload"), called),
            stacked=True,
            links=(_TRACES,),
        ),
        series(
            "By code",
            "Requests a second; 0 is a connection that ended before an answer.",
            "reqps",
            Query(_requests_by("response_code"), "{{response_code}}"),
            stacked=True,
        ),
        series(
            "By method of MCP",
            "As the proxies read it; a method that the protocol lacks is _OTHER.",
            "reqps",
            Query(_requests_by("mcp_method_name", ',mcp_method_name!=""'), "{{mcp_method_name}}"),
            stacked=True,
        ),
        series(
            "Duration",
            "95th percentile, as the called side's proxy sees it; streams end once, late.",
            "s",
            Query(slow, called),
            limit=limits.OPERATION_SECONDS,
            links=(_TRACES,),
        ),
        series(
            "Without mutual TLS",
            "Share of the requests that come in plain.",
            "percentunit",
            Query(f"{rules.PLAINTEXT}{{{_TO}}}", called),
            limit=limits.NONE,
            most=1,
        ),
        series(
            "Versions",
            "Requests a second by the called side's version: a canary's share.",
            "reqps",
            Query(_requests_by("destination_workload, destination_version"), called + " {{destination_version}}"),
            stacked=True,
        ),
    )


def _proxies() -> tuple[Row | Panel, ...]:
    def counted(metric: str, by: str) -> str:
        return f"sum by ({by}) (rate({metric}{{{_ENVOY}}}{RATE}))"

    return (
        Row("Proxies"),
        series(
            "MCP operations at proxies",
            "Messages a second by method and outcome, from Envoy's own statistics.",
            "ops",
            Query(
                counted("envoy_mcp_requests", "mcp_method_name, response_class"),
                "{{mcp_method_name}} {{response_class}}",
            ),
            stacked=True,
        ),
        series(
            "Held back",
            "Requests a second that a full circuit breaker or a rate limit refused.",
            "reqps",
            Query(
                counted("envoy_cluster_upstream_rq_pending_overflow", "envoy_cluster_name"), "{{envoy_cluster_name}}"
            ),
            Query(or_zero("sum(" + counted("envoy_http_local_rate_limit_rate_limited", "pod") + ")"), "rate limit"),
        ),
        series(
            "Retries and ejected hosts",
            "Retries a second, and hosts that outlier detection keeps out now.",
            "short",
            Query(counted("envoy_cluster_upstream_rq_retry", "envoy_cluster_name"), "retries {{envoy_cluster_name}}"),
            Query(
                f"sum by (envoy_cluster_name) (envoy_cluster_outlier_detection_ejections_active{{{_ENVOY}}})",
                "ejected {{envoy_cluster_name}}",
            ),
        ),
    )


def _control_plane() -> tuple[Row | Panel, ...]:
    return (
        Row("Control plane"),
        series(
            "Pushes",
            "Configuration sent to proxies, a second, by type.",
            "ops",
            Query(f"sum by (type) (rate(pilot_xds_pushes{RATE}))", "{{type}}"),
        ),
        series(
            "Time to every proxy",
            "99th percentile from a change to its being taken in.",
            "s",
            Query(f"histogram_quantile(0.99, sum by (le) (rate(pilot_proxy_convergence_time_bucket{RATE})))", "p99"),
            limit=limits.Limit(30, "a change is expected to be in force by then"),
        ),
        series(
            "Rejected",
            "Updates that proxies refused in 15 minutes, by type.",
            "short",
            Query(rules.REJECTED, "{{type}}"),
            limit=limits.NONE,
        ),
    )
