"""The forecaster itself: passes, fits, the store that it reads, the doors that it answers."""

from app.telemetry import (
    AUTHORIZATIONS,
    CUT,
    FIT_SECONDS,
    FITS,
    FITTED,
    FRESHNESS,
    LATENCY,
    PASS_SECONDS,
    PASSES,
    REQUESTS,
    RESTARTS,
    SOURCE_REQUESTS,
)
from tools.monitoring import limits
from tools.monitoring.dashboard import PAGE, PROMETHEUS, TRACES, Dashboard, traces_of
from tools.monitoring.dashboards.common import RATE, REPLICAS, marks, namespace, or_zero, replicas, series
from tools.monitoring.panels import Panel, Query, Row

_ALL = f"{{{REPLICAS}}}"
_TRACES = traces_of("forescale")


def forecaster() -> Dashboard:
    """For whoever runs Forescale."""
    return Dashboard(
        uid="forescale-forecaster",
        title="Forescale / forecaster",
        description="Passes and fits, the store of histories, the doors: is the service well?",
        variables=(PROMETHEUS, *replicas(CUT.name), namespace("forescale_acting"), TRACES, PAGE),
        marks=marks(),
        start="now-6h",
        content=(*_pipeline(), *_doors()),
    )


def _pipeline() -> tuple[Row | Panel, ...]:
    def rate(metric: str, more: str = "") -> str:
        return f"sum by (outcome) (rate({metric}{{{REPLICAS}{more}}}{RATE}))"

    return (
        Row("Pipeline"),
        series(
            "Age of the snapshot",
            "Since the cut that is served, each replica.",
            "s",
            Query(f"time() - {CUT.name}{_ALL}", "{{instance}}"),
            limit=limits.SNAPSHOT_AGE_SECONDS,
        ),
        series(
            "Age of the fit",
            "Since the cut of the last good fit.",
            "s",
            Query(f"time() - {FITTED.name}{_ALL}", "{{instance}}"),
            limit=limits.FIT_AGE_SECONDS,
        ),
        series(
            "Duration of a pass",
            "The last one: fetch, predict, plan.",
            "s",
            Query(f"{PASS_SECONDS.name}{_ALL}", "{{instance}}"),
            limit=limits.REFRESH_SECONDS,
            links=(_TRACES,),
        ),
        series(
            "Duration of a fit",
            "The last one, all workloads.",
            "s",
            Query(f"{FIT_SECONDS.name}{_ALL}", "{{instance}}"),
            limit=limits.Limit(900, "a fit that takes longer is killed"),
            links=(_TRACES,),
        ),
        series(
            "Passes and fits",
            "A second, by outcome; points lead to traces.",
            "ops",
            Query(rate(PASSES.name), "pass {{outcome}}", exemplars=True),
            Query(rate(FITS.name), "fit {{outcome}}"),
        ),
        series(
            "The store of histories",
            "Requests a second, by outcome.",
            "reqps",
            Query(rate(SOURCE_REQUESTS.name), "{{outcome}}"),
            Query(or_zero(f"sum(rate({RESTARTS.name}{_ALL}{RATE}))"), "restarts of the pipeline"),
        ),
    )


def _doors() -> tuple[Row | Panel, ...]:
    p99 = f"histogram_quantile(0.99, sum by (le, door) (rate({LATENCY.name}_bucket{_ALL}{RATE})))"
    access = f"{AUTHORIZATIONS.name}{_ALL}{RATE}"
    age = f"histogram_quantile(0.99, sum by (le, group) (rate({FRESHNESS.name}_bucket{_ALL}{RATE})))"
    return (
        Row("Doors"),
        series(
            "Requests",
            "A second by door and code.",
            "reqps",
            Query(f"sum by (door, code) (rate({REQUESTS.name}{_ALL}{RATE}))", "{{door}} {{code}}"),
            stacked=True,
        ),
        series(
            "Time to answer",
            "99th percentile by door; points lead to traces.",
            "s",
            Query(p99, "{{door}}", exemplars=True),
            limit=limits.DOOR_SECONDS,
            links=(_TRACES,),
        ),
        series(
            "Age of what HPAs get",
            "99th percentile of the age of values when they were served.",
            "s",
            Query(age, "{{group}}"),
            limit=limits.DATA_AGE_SECONDS,
        ),
        series(
            "Access",
            "Decisions a second by where from and outcome.",
            "ops",
            Query(or_zero(f"sum by (origin, outcome) (rate({access}))", label="outcome"), "{{origin}} {{outcome}}"),
        ),
        series(
            "Memory",
            "Resident, of the serving process; pipeline and fits have processes of their own.",
            "bytes",
            Query(f"process_resident_memory_bytes{_ALL}", "{{instance}}"),
        ),
        series(
            "Processor",
            "Cores used by the serving process.",
            "short",
            Query(f"rate(process_cpu_seconds_total{_ALL}{RATE})", "{{instance}}"),
        ),
    )
