"""System health: one look tells whether MCP is served, by whom it is kept up, and whether anybody would notice."""

from app import telemetry
from tools.monitoring import limits
from tools.monitoring.dashboard import PAGE, PROMETHEUS, Dashboard
from tools.monitoring.dashboards.common import NAMESPACES, marks, namespace, or_zero, series, stat
from tools.monitoring.panels import Panel, Query, Row
from tools.monitoring.rules import slo
from tools.monitoring.rules.cluster import POOL_ALLOCATABLE, POOL_REQUESTED
from tools.monitoring.rules.tracing import IN as IN_TRACING

_NS = f"{{{NAMESPACES}}}"
_HPA = "kube_horizontalpodautoscaler"


def system() -> Dashboard:
    """D1."""
    return Dashboard(
        uid="forescale-system",
        title="Forescale / system health",
        description="Workloads, autoscalers, nodes, the forecaster and the telemetry that tells of them.",
        variables=(PROMETHEUS, namespace("kube_pod_status_phase"), PAGE),
        marks=marks(),
        content=(*_now(), *_workloads(), *_nodes(), *_service(), *_telemetry()),
    )


def _now() -> tuple[Row | Panel, ...]:
    unready = 'max by (node) (kube_node_status_condition{condition="Ready",status="true"}) == 0'
    return (
        Row("Now"),
        stat(
            "Alerts firing",
            "Of all severities; the list is Prometheus' own.",
            "short",
            or_zero('count(ALERTS{alertstate="firing"})'),
            limit=limits.NONE,
        ),
        stat("Targets down", "Not answering a scrape.", "short", or_zero("count(up == 0)"), limit=limits.NONE),
        stat(
            "Pods pending",
            "In the chosen namespaces.",
            "short",
            or_zero(f'sum(max by (namespace, pod) (kube_pod_status_phase{{{NAMESPACES},phase="Pending"}}))'),
            limit=limits.NONE,
        ),
        stat("Nodes not ready", "By their kubelets.", "short", or_zero(f"count({unready})"), limit=limits.NONE),
        stat(
            "APIs unavailable",
            "Aggregated APIs that kube-apiserver cannot reach; the external metrics API is one of them.",
            "short",
            or_zero("sum(max by (name) (aggregator_unavailable_apiservice))"),
            limit=limits.NONE,
        ),
        stat(
            "Forecasts refused",
            "Workloads whose HPA gets no value.",
            "short",
            or_zero(f"count(max by (namespace, name) ({telemetry.REFUSED.name}{_NS} == 1))"),
            limit=limits.NONE,
        ),
    )


def _workloads() -> tuple[Row | Panel, ...]:
    restarts = f"max by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total{_NS}[1h]))"
    blind = f'{_HPA}_status_condition{{{NAMESPACES},condition="ScalingActive",status="false"}} == 1'
    return (
        Row("Workloads"),
        series(
            "Pods wanted and available",
            "What Deployments ask for, and what passes its readiness probe.",
            "short",
            Query(f"sum(max by (namespace, deployment) (kube_deployment_spec_replicas{_NS}))", "wanted"),
            Query(f"sum(max by (namespace, deployment) (kube_deployment_status_replicas_available{_NS}))", "available"),
        ),
        series(
            "Share of the maximum",
            "Pods of each HPA beside its maxReplicas.",
            "percentunit",
            Query(
                f"{_HPA}_status_current_replicas{_NS} / {_HPA}_spec_max_replicas{_NS}",
                "{{namespace}}/{{horizontalpodautoscaler}}",
            ),
            limit=limits.REPLICAS_OF_MAXIMUM,
        ),
        series(
            "Restarts",
            "Of containers, in the last hour, by workload's namespace.",
            "short",
            Query(f"sum by (namespace) ({restarts})", "{{namespace}}"),
        ),
        series(
            "Error budgets",
            "How many times too fast the budgets of 30 days burn, over the last hour.",
            "short",
            Query(f"max by (namespace, service, objective) ({slo.burn('1h')}{_NS})", "{{service}} {{objective}}"),
            limit=limits.BURN,
        ),
        series(
            "HPA without metrics",
            "Autoscalers whose condition ScalingActive is false: they hold what they have.",
            "short",
            Query(or_zero(f"count(max by (namespace, horizontalpodautoscaler) ({blind}))"), "without metrics"),
        ),
        series(
            "Pods by phase",
            "In the chosen namespaces.",
            "short",
            Query(f"sum by (phase) (max by (namespace, pod, phase) (kube_pod_status_phase{_NS}))", "{{phase}}"),
            stacked=True,
        ),
    )


def _nodes() -> tuple[Row | Panel, ...]:
    asked = f'{POOL_REQUESTED}{{resource="%s"}} / {POOL_ALLOCATABLE}{{resource="%s"}}'
    return (
        Row("Nodes"),
        series(
            "Nodes",
            "By pool.",
            "short",
            Query("count by (pool) (node:pool:info)", "{{pool}}"),
            stacked=True,
        ),
        series(
            "CPU asked for",
            "Requests of live pods, share of what nodes offer, by pool.",
            "percentunit",
            Query(asked % ("cpu", "cpu"), "{{pool}}"),
            limit=limits.REQUESTED,
            most=1,
        ),
        series(
            "Memory asked for",
            "Requests of live pods, share of what nodes offer, by pool.",
            "percentunit",
            Query(asked % ("memory", "memory"), "{{pool}}"),
            limit=limits.REQUESTED,
            most=1,
        ),
    )


def _service() -> tuple[Row | Panel, ...]:
    requests = telemetry.REQUESTS.name
    return (
        Row("Forecaster"),
        series(
            "Age of the forecast",
            "Since the cut of the newest snapshot that any replica serves.",
            "s",
            Query(f"time() - max by (job) ({telemetry.CUT.name})", "{{job}}"),
            limit=limits.SNAPSHOT_AGE_SECONDS,
        ),
        series(
            "Answers to the HPA",
            "Requests a second of the external metrics door by code; 503 is a refusal that says why.",
            "reqps",
            Query(f'sum by (code) (rate({requests}{{door="external_metrics"}}[$__rate_interval]))', "{{code}}"),
        ),
        series(
            "Certificates",
            "Time left: of what this service serves with, of cert-manager's. The root's is on the mesh's dashboard.",
            "s",
            Query(f"min by (job) ({telemetry.CERTIFICATE_END.name}) - time()", "served by {{job}}"),
            Query(
                "min by (namespace, name) (certmanager_certificate_expiration_timestamp_seconds) - time()", "{{name}}"
            ),
            limit=limits.CERTIFICATE_SECONDS,
        ),
    )


def _telemetry() -> tuple[Row | Panel, ...]:
    return (
        Row("Telemetry"),
        series(
            "Series in Prometheus",
            "Held in memory; a jump is a label that callers can fill.",
            "short",
            Query("prometheus_tsdb_head_series", "{{instance}}"),
        ),
        series(
            "Rules that fail",
            "Evaluations a second that end in an error.",
            "short",
            Query("sum by (job) (rate(prometheus_rule_evaluation_failures_total[$__rate_interval]))", "{{job}}"),
            limit=limits.NONE,
        ),
        series(
            "Spans not taken",
            "Refused by collectors and Jaeger, a second; senders try again.",
            "short",
            Query(f"sum by (pod) (rate(otelcol_receiver_refused_spans{{{IN_TRACING}}}[$__rate_interval]))", "{{pod}}"),
            limit=limits.NONE,
        ),
    )
