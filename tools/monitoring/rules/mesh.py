"""The mesh: is its configuration taken in everywhere, in time, and does anything go round it?"""

from tools.monitoring.rules.model import Alert, Group, Record, RuleFile

PLAINTEXT = "workload:istio_plaintext:ratio_rate5m"
REJECTED = "sum by (type) (increase(pilot_total_xds_rejects[15m]))"
_CONVERGENCE_SECONDS = 30


def mesh() -> RuleFile:
    """A proxy keeps its last good configuration: a rejected one is no outage, but what was meant is not in force."""
    why = "configuration that proxies refuse or wait for, and requests without mutual TLS."
    return RuleFile("mesh", (Group("forescale-mesh", why, (_plaintext(), *_alerts())),))


def _plaintext() -> Record:
    by = "sum by (destination_workload_namespace, destination_workload)"
    rate = 'rate(istio_requests_total{reporter="destination"%s}[5m])'
    plain = rate % ', connection_security_policy!="mutual_tls"'
    total = f"{by} ({rate % ''})"
    return Record(PLAINTEXT, f"({by} ({plain}) or 0 * {total}) / ({total} > 0)")


def _alerts() -> tuple[Alert, ...]:
    slow = "histogram_quantile(0.99, sum by (le) (rate(pilot_proxy_convergence_time_bucket[5m])))"
    return (
        Alert(
            "MeshConfigRejected",
            f"{REJECTED} > 0",
            "1m",
            "warning",
            "proxies rejected configuration of type {{ $labels.type }}: what was applied last is not in force there",
        ),
        Alert(
            "MeshConfigLate",
            f"{slow} > {_CONVERGENCE_SECONDS}",
            "10m",
            "warning",
            "a change of the mesh takes {{ $value | humanizeDuration }} to reach its proxies",
        ),
        Alert(
            "MeshPlaintext",
            f"{PLAINTEXT} > 0",
            "15m",
            "warning",
            "{{ $labels.destination_workload }} in {{ $labels.destination_workload_namespace }} is called without TLS",
        ),
    )
