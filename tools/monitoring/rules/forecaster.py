"""Is the forecaster well, does it see, is it right, and does it pay?"""

from app import telemetry
from tools.monitoring.limits import COVERAGE_SHORTFALL, FIT_AGE_SECONDS, SKILL, SNAPSHOT_AGE_SECONDS
from tools.monitoring.rules.model import Alert, Group, RuleFile

JOB = 'job="forescale"'
_BLIND_SHARE = 0.5
_STORE_SHARE = 0.1
_RESTARTS = 2.5  # more than two: `increase` extrapolates two to a little above


def each(metric: telemetry.Metric, *labels: str, offset: str = "") -> str:
    """A workload's metric; replicas say the same, one of them is enough."""
    return f"max by ({', '.join(('namespace', 'name', *labels))}) ({metric.name}{offset})"


def forecaster() -> RuleFile:
    """Alerts only: what is asked here is cheap."""
    return RuleFile(
        "forecaster",
        (
            Group("forescale-service", "is the service there, and are its numbers new?", _service()),
            Group("forescale-forecasts", "does it see its workloads, is it right, does it pay?", _forecasts()),
        ),
    )


def _service() -> tuple[Alert, ...]:
    cut, fitted = telemetry.CUT.name, telemetry.FITTED.name
    requests = f"rate({telemetry.SOURCE_REQUESTS.name}{{%s}}[5m])"
    failing = requests % 'outcome!="ok"'
    return (
        Alert("ForescaleDown", f"absent(up{{{JOB}}} == 1)", "5m", "critical", "no replica of Forescale answers"),
        Alert(
            "ForescaleStale",
            f"time() - max by (job) ({cut}) > {SNAPSHOT_AGE_SECONDS.value:g}",
            "2m",
            "critical",
            "the newest forecast is {{ $value | humanizeDuration }} old; HPAs get errors from 180 s on",
        ),
        Alert(
            "ForescaleFitOld",
            f"time() - max by (job) ({fitted}) > {FIT_AGE_SECONDS.value:g}",
            "15m",
            "warning",
            "the last good fit is {{ $value | humanizeDuration }} old",
        ),
        Alert(
            "ForescaleStoreFails",
            f"sum by (job) ({failing}) / sum by (job) ({requests % ''}) > {_STORE_SHARE:g}",
            "10m",
            "warning",
            "{{ $value | humanizePercentage }} of the requests to the store of histories fail",
        ),
        Alert(
            "ForescalePipelineRestarts",
            f"increase({telemetry.RESTARTS.name}[1h]) > {_RESTARTS}",
            "0m",
            "warning",
            'the pipeline of {{ $labels.instance }} was started again {{ printf "%.0f" $value }} times within an hour',
        ),
    )


def _forecasts() -> tuple[Alert, ...]:
    refused, acting, demand = each(telemetry.REFUSED, "reason"), each(telemetry.ACTING), each(telemetry.DEMAND)
    who = "{{ $labels.namespace }}/{{ $labels.name }}"
    return (
        Alert(
            "ForescaleBlind", f"{refused} == 1", "10m", "warning", f"{who} is served nothing: {{{{ $labels.reason }}}}"
        ),
        Alert(
            "ForescaleBlindEverywhere",
            f"count({refused} == 1) / count({acting}) > {_BLIND_SHARE:g}",
            "5m",
            "critical",
            "{{ $value | humanizePercentage }} of the workloads are served nothing: no HPA among them scales in",
        ),
        Alert(
            "ForescaleMiscalibrated",
            f"{each(telemetry.LEVEL)} - {each(telemetry.COVERAGE)} > {COVERAGE_SHORTFALL.value:g}",
            "1h",
            "warning",
            f"{who} is covered {{{{ $value | humanizePercentage }}}} less often than its price asks for",
        ),
        Alert(
            "ForescaleLosing",
            f"{each(telemetry.SKILL)} < {SKILL.value:g} and {acting} == 1",
            "1h",
            "warning",
            f"{who} acts on a forecast that costs more than reacting",
        ),
        Alert(
            "ForescaleTooLow",
            f"{demand} > {each(telemetry.REQUIRED, offset=' offset 5m')} and {acting} == 1",
            "10m",
            "warning",
            f"{who} has more demand than was required for five minutes ago, for ten minutes now",
        ),
    )
