"""All workloads and the service itself. Its datasource is a Prometheus that scrapes /metrics."""

from app.dashboards.panels import Dashboard, Panel, Query, Row, Variable
from app.telemetry import (
    ACTING,
    COVERAGE,
    CUT,
    DATA_AGE,
    DEMAND,
    FIT_SECONDS,
    FITS,
    FITTED,
    LATENCY,
    PASS_SECONDS,
    REFUSED,
    REQUESTS,
    REQUIRED,
    RESTARTS,
    SKILL,
    SOURCE_REQUESTS,
)

_JOB = 'job=~"$job",instance=~"$instance"'
_SEEN = f'{_JOB},namespace=~"$namespace"'
_EACH = "namespace, name"  # replicas say the same: one of them is enough


def _series(title: str, description: str, unit: str, *queries: Query, width: int = 8) -> Panel:
    return Panel("timeseries", title, description, unit, queries, width=width)


def _worst(title: str, description: str, unit: str, expr: str) -> Panel:
    return Panel("table", title, description, unit, (Query(expr, instant=True),), width=12)


def fleet_dashboard() -> Dashboard:
    """Trust, savings, misses, and the health of the service."""
    acting, refused = f"{ACTING.name}{{{_SEEN}}}", f"{REFUSED.name}{{{_SEEN}}}"
    missed = f"{DEMAND.name}{{{_SEEN}}} > ({REQUIRED.name}{{{_SEEN}}} offset 5m)"
    return Dashboard(
        uid="forescale-fleet",
        title="Forescale / fleet",
        description="Where forecasts act, what they save, where they missed, and whether the service is well.",
        datasource_label="Prometheus that scrapes forescale",
        start="now-24h",
        end="now",
        variables=(
            Variable("job", CUT.name, multi=True),
            Variable("instance", CUT.name, multi=True),
            Variable("namespace", ACTING.name, multi=True),
        ),
        content=(
            Row("Trust"),
            _series(
                "Workloads by what is served",
                "The forecast where it pays, the measured demand elsewhere, nothing where a number is refused.",
                "short",
                Query(f"sum(max by ({_EACH}) ({acting}))", "forecast"),
                Query(f"count(max by ({_EACH}) ({acting})) - sum(max by ({_EACH}) ({acting}))", "measured demand"),
                Query(f"sum(max by ({_EACH}) ({refused})) or vector(0)", "refused"),
            ),
            _series(
                "Refused, by reason",
                "Workloads without a value; the HPA keeps their pods meanwhile.",
                "short",
                Query(f"sum by (reason) (max by ({_EACH}, reason) ({refused}))", "{{reason}}"),
            ),
            _series(
                "Coverage",
                "Share of replayed maxima at or below their limit: median and worst tenth of the workloads.",
                "percentunit",
                Query(f"quantile(0.5, max by ({_EACH}) ({COVERAGE.name}{{{_SEEN}}}))", "median"),
                Query(f"quantile(0.1, max by ({_EACH}) ({COVERAGE.name}{{{_SEEN}}}))", "worst tenth"),
            ),
            Row("Savings and misses"),
            _worst(
                "Largest savings",
                "Workloads where acting is cheapest beside reacting, in the replay of the last days.",
                "percentunit",
                f"topk(10, max by ({_EACH}) ({SKILL.name}{{{_SEEN}}}))",
            ),
            _worst(
                "Where prediction does not pay",
                "Workloads with the least skill; in mode Auto the measured demand is served there.",
                "percentunit",
                f"bottomk(10, max by ({_EACH}) ({SKILL.name}{{{_SEEN}}}))",
            ),
            _series(
                "Misses",
                "Workloads whose demand now is above what was required five minutes ago.",
                "short",
                Query(f"count(max by ({_EACH}) ({missed})) or vector(0)", "missed"),
                width=12,
            ),
            _series(
                "Age of the data",
                "Oldest newest sample, and the worst tenth; beyond staleness_seconds a value is refused.",
                "s",
                Query(f"max({DATA_AGE.name}{{{_SEEN}}})", "oldest"),
                Query(f"quantile(0.9, {DATA_AGE.name}{{{_SEEN}}})", "worst tenth"),
                width=12,
            ),
            Row("The service"),
            _series(
                "Age of the snapshot and of the fit",
                "Seconds since the cut that is served and since the cut of the last good fit.",
                "s",
                Query(f"time() - {CUT.name}{{{_JOB}}}", "snapshot {{instance}}"),
                Query(f"time() - {FITTED.name}{{{_JOB}}}", "fit {{instance}}"),
            ),
            _series(
                "Duration of passes and fits",
                "The last pass and the last fit of each replica.",
                "s",
                Query(f"{PASS_SECONDS.name}{{{_JOB}}}", "pass {{instance}}"),
                Query(f"{FIT_SECONDS.name}{{{_JOB}}}", "fit {{instance}}"),
            ),
            _series(
                "Failures",
                "Fits that failed, requests to the store that did not succeed, restarts of the pipeline; per second.",
                "short",
                Query(f'sum(rate({FITS.name}{{{_JOB},outcome="failed"}}[$__rate_interval]))', "failed fits"),
                Query(f'sum(rate({SOURCE_REQUESTS.name}{{{_JOB},outcome!="ok"}}[$__rate_interval]))', "store"),
                Query(f"sum(rate({RESTARTS.name}{{{_JOB}}}[$__rate_interval]))", "restarts"),
            ),
            _series(
                "Requests",
                "Requests per second by door and code.",
                "reqps",
                Query(f"sum by (door, code) (rate({REQUESTS.name}{{{_JOB}}}[$__rate_interval]))", "{{door}} {{code}}"),
            ),
            _series(
                "Latency",
                "99th percentile of the time to answer, by door.",
                "s",
                Query(
                    f"histogram_quantile(0.99, sum by (le, door) "
                    f"(rate({LATENCY.name}_bucket{{{_JOB}}}[$__rate_interval])))",
                    "{{door}}",
                ),
            ),
            _series(
                "Memory",
                "Resident memory of the serving process; pipeline and fits have processes of their own.",
                "bytes",
                Query(f"process_resident_memory_bytes{{{_JOB}}}", "{{instance}}"),
            ),
        ),
    )
