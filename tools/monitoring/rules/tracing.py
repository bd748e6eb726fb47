"""Collectors and Jaeger: is anything lost, will anything be?

The collector's metrics have no suffix `_total`: tracing/collector says so in its configuration.
"""

from tools.monitoring.limits import DISK, QUEUE
from tools.monitoring.rules.model import Alert, Group, RuleFile

IN = 'namespace="tracing"'
CLAIM = f'{IN}, persistentvolumeclaim=~"data-jaeger-.*"'
_DAYS = 4


def tracing() -> RuleFile:
    """Each is silent while the queues do what they are there for."""
    why = "spans that are refused, wait or are lost; a storage that fills."
    return RuleFile("tracing", (Group("forescale-tracing", why, (*_collectors(), *_storage())),))


def _rate(metric: str, by: str = "namespace, pod") -> str:
    return f"sum by ({by}) (rate({metric}{{{IN}}}[5m]))"


def _collectors() -> tuple[Alert, ...]:
    queue = f"otelcol_exporter_queue_size{{{IN}}} / otelcol_exporter_queue_capacity{{{IN}}}"
    lost = " or ".join(
        _rate(f"otelcol_exporter_{one}_spans", "namespace, pod, exporter") + " > 0"
        for one in ("enqueue_failed", "send_failed")
    )
    return (
        Alert(
            "CollectorRefusesSpans",
            f"{_rate('otelcol_receiver_refused_spans')} > 0",
            "10m",
            "warning",
            "{{ $labels.pod }} refuses spans: its memory limit is reached or its queue is full",
        ),
        Alert(
            "CollectorQueueFills",
            f"max by (namespace, pod, exporter) ({queue}) > {QUEUE.value:g}",
            "10m",
            "warning",
            "the queue of {{ $labels.exporter }} on {{ $labels.pod }} is half full: its target is away or too slow",
        ),
        Alert(
            "CollectorLosesSpans",
            lost,
            "5m",
            "critical",
            "{{ $labels.pod }} loses {{ $value | humanize }} spans a second on the way to {{ $labels.exporter }}",
        ),
        Alert(
            "CollectorDropsTracesBeforeDeciding",
            f"{_rate('otelcol_processor_tail_sampling_sampling_trace_dropped_too_early')} > 0",
            "10m",
            "warning",
            "{{ $labels.pod }} has more open traces than num_traces: add gateways, or raise it with the memory limit",
        ),
    )


def _storage() -> tuple[Alert, ...]:
    free, size = (f"kubelet_volume_stats_{one}_bytes{{{CLAIM}}}" for one in ("available", "capacity"))
    by = "max by (namespace, persistentvolumeclaim)"
    used = f"1 - {by} ({free}) / {by} ({size})"
    return (
        Alert(
            "JaegerDiskFull",
            f"{used} > {DISK.value:g}",
            "10m",
            "critical",
            "{{ $labels.persistentvolumeclaim }} is {{ $value | humanizePercentage }} full",
        ),
        Alert(
            "JaegerDiskFills",
            f"{by} (predict_linear({free}[1d], {_DAYS} * 86400)) < 0",
            "1h",
            "warning",
            f"{{{{ $labels.persistentvolumeclaim }}}} is full within {_DAYS} days at the rate of the last one",
        ),
    )
