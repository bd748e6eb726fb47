"""Tracing: is anything lost between a span and its storage, what is kept, how full is the disk?"""

from tools.monitoring import limits
from tools.monitoring.dashboard import PAGE, PROMETHEUS, TRACES, Choice, Dashboard, traces_of
from tools.monitoring.dashboards.common import RATE, marks, namespace, or_zero, series, stat
from tools.monitoring.panels import Panel, Query, Row
from tools.monitoring.rules.tracing import CLAIM, IN

_CALLS = "traces_span_metrics_calls_total"
_SECONDS = "traces_span_metrics_duration_seconds_bucket"
_SPANS = 'service_name=~"$workload"'
_TRACES = traces_of("${__field.labels.service_name}")


def tracing() -> Dashboard:
    """Both tiers of collectors, Jaeger, and rate, errors and duration of all spans before sampling."""
    return Dashboard(
        uid="forescale-tracing",
        title="Forescale / tracing",
        description="The way of a span from its program to Jaeger, what is kept, and what spans say.",
        variables=(
            PROMETHEUS,
            namespace("kube_pod_status_phase"),
            Choice("workload", _CALLS, "service_name"),
            TRACES,
            PAGE,
        ),
        marks=marks(),
        start="now-6h",
        content=(*_now(), *_way(), *_sampling(), *_spans()),
    )


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{IN}}}{RATE}))"


def _now() -> tuple[Row | Panel, ...]:
    queue = f"max(otelcol_exporter_queue_size{{{IN}}} / otelcol_exporter_queue_capacity{{{IN}}})"
    agents, collectors = (
        f"rate(otelcol_receiver_accepted_spans{{{IN},pod{pods}}}{RATE})" for pods in ('=~"agent-.*"', '!~"jaeger-.*"')
    )
    claim = f"kubelet_volume_stats_%s_bytes{{{CLAIM}}}"
    overflow = f'sum(rate({_CALLS}{{otel_metric_overflow="true"}}{RATE}))'
    failed = [_rate(f"otelcol_exporter_{one}_spans", "pod") for one in ("enqueue_failed", "send_failed")]
    lost = " + ".join("(" + or_zero(f"sum({one})") + ")" for one in failed)
    return (
        Row("Now"),
        stat(
            "Spans",
            "Taken in by the first tier, a second: agents, or the only collector where there are none.",
            "short",
            f"sum({agents})\nor\nsum({collectors})",
        ),
        stat(
            "Refused",
            "A second; senders keep them and try again.",
            "short",
            or_zero(f"sum({_rate('otelcol_receiver_refused_spans', 'pod')})"),
            limit=limits.NONE,
        ),
        stat("Lost", "A second: neither sent nor queued.", "short", lost, limit=limits.NONE),
        stat("Fullest queue", "Share of its capacity.", "percentunit", queue, limit=limits.QUEUE),
        stat(
            "Jaeger's disk",
            "Fullest volume, share used.",
            "percentunit",
            f"max(1 - {claim % 'available'} / {claim % 'capacity'})",
            limit=limits.DISK,
        ),
        stat(
            "Series overflow",
            "Share of spans counted together, beyond 2,000 series a service.",
            "percentunit",
            f"({or_zero(overflow)}) / sum(rate({_CALLS}{RATE}))",
            limit=limits.NONE,
        ),
    )


def _way() -> tuple[Row | Panel, ...]:
    queue = f"max by (pod, exporter) (otelcol_exporter_queue_size{{{IN}}} / otelcol_exporter_queue_capacity{{{IN}}})"
    claim = f"kubelet_volume_stats_%s_bytes{{{CLAIM}}}"
    return (
        Row("The way of a span"),
        series(
            "Taken in",
            "Spans a second by collector and by Jaeger.",
            "short",
            Query(_rate("otelcol_receiver_accepted_spans", "pod"), "{{pod}}"),
        ),
        series(
            "Sent on",
            "Spans a second by exporter.",
            "short",
            Query(_rate("otelcol_exporter_sent_spans", "pod, exporter"), "{{pod}} {{exporter}}"),
        ),
        series(
            "Queues",
            "Share of their capacity.",
            "percentunit",
            Query(queue, "{{pod}} {{exporter}}"),
            limit=limits.QUEUE,
            most=1,
        ),
        series(
            "Refused",
            "Spans a second; senders keep them and try again.",
            "short",
            Query(_rate("otelcol_receiver_refused_spans", "pod"), "{{pod}}"),
            limit=limits.NONE,
        ),
        series("Memory", "Of collectors and Jaeger.", "bytes", Query(f"otelcol_process_memory_rss{{{IN}}}", "{{pod}}")),
        series(
            "Jaeger's disk",
            "Share used of each volume.",
            "percentunit",
            Query(f"1 - {claim % 'available'} / {claim % 'capacity'}", "{{persistentvolumeclaim}}"),
            limit=limits.DISK,
            most=1,
        ),
    )


def _sampling() -> tuple[Row | Panel, ...]:
    tail = "otelcol_processor_tail_sampling"
    return (
        Row("Sampling"),
        series(
            "Traces kept and dropped",
            "Decisions a second of the tail sampler.",
            "short",
            Query(_rate(f"{tail}_global_count_traces_sampled", "sampled"), "sampled: {{sampled}}"),
            stacked=True,
        ),
        series(
            "Kept, by policy",
            "Traces a second that each policy would keep.",
            "short",
            Query(f'sum by (policy) (rate({tail}_count_traces_sampled{{{IN},sampled="true"}}{RATE}))', "{{policy}}"),
        ),
        series(
            "Open traces",
            "Waiting for their decision.",
            "short",
            Query(f"{tail}_sampling_traces_on_memory{{{IN}}}", "{{pod}}"),
        ),
    )


def _spans() -> tuple[Row | Panel, ...]:
    total = f"sum by (service_name) (rate({_CALLS}{{{_SPANS}}}{RATE}))"
    failed = f'sum by (service_name) (rate({_CALLS}{{{_SPANS},status_code="STATUS_CODE_ERROR"}}{RATE}))'
    return (
        Row("What spans say, before sampling"),
        series(
            "Spans by service", "A second.", "short", Query(total, "{{service_name}}"), stacked=True, links=(_TRACES,)
        ),
        series(
            "Errors",
            "Share of spans with status error, by service.",
            "percentunit",
            Query(f"({failed} or 0 * {total}) / {total}", "{{service_name}}"),
            most=1,
            links=(_TRACES,),
        ),
        series(
            "Duration",
            "95th percentile by service; points lead to traces.",
            "s",
            Query(
                f"histogram_quantile(0.95, sum by (le, service_name) (rate({_SECONDS}{{{_SPANS}}}{RATE})))",
                "{{service_name}}",
                exemplars=True,
            ),
            limit=limits.OPERATION_SECONDS,
            links=(_TRACES,),
        ),
    )
