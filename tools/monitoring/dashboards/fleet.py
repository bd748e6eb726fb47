"""All workloads: where forecasts act, what that saves, where they missed."""

from app.telemetry import ACTING, CALENDAR, COVERAGE, DATA_AGE, DEMAND, LEAD, LEVEL, PODS, REFUSED, REQUIRED, SKILL
from tools.monitoring import limits
from tools.monitoring.dashboard import EXPLANATION, PAGE, PROMETHEUS, WORKLOAD_PAGE, Dashboard
from tools.monitoring.dashboards.common import FORECASTS, marks, namespace, or_zero, series, table, workload
from tools.monitoring.panels import Link, Panel, Query, Row

_ALL = f"{{{FORECASTS}}}"
_OF_ROW = (
    Link("Page of the workload", "${page}/#${__data.fields.namespace}/${__data.fields.name}"),
    Link("Forecast", "/d/forescale-forecast?var-namespace=${__data.fields.namespace}&var-name=${__data.fields.name}"),
)


def fleet() -> Dashboard:
    """For who owns the workloads."""
    return Dashboard(
        uid="forescale-fleet",
        title="Forescale / fleet",
        description="Where forecasts act, what they save, where they missed.",
        variables=(PROMETHEUS, namespace(ACTING.name), workload(ACTING.name, "name"), PAGE),
        marks=marks(),
        content=(*_trust(), *_worth(), *_inputs()),
    )


def _of(metric: str, *more: str, offset: str = "") -> str:
    return f"max by ({', '.join(('namespace', 'name', *more))}) ({metric}{_ALL}{offset})"


def _trust() -> tuple[Row | Panel, ...]:
    acting = _of(ACTING.name)
    short = f"{_of(LEVEL.name)} - {_of(COVERAGE.name)}"
    return (
        Row("Trust"),
        series(
            "Workloads by what is served",
            "The forecast where it pays, the measured demand elsewhere, nothing where a number is refused.",
            "short",
            Query(f"sum({acting})", "forecast"),
            Query(f"count({acting}) - sum({acting})", "measured demand"),
            Query(or_zero(f"sum({_of(REFUSED.name)})"), "refused"),
        ),
        series(
            "Refused, by reason",
            "Workloads without a value; the HPA keeps their pods meanwhile.",
            "short",
            Query(or_zero(f"sum by (reason) ({_of(REFUSED.name, 'reason')})", label="reason"), "{{reason}}"),
            limit=limits.NONE,
        ),
        series(
            "Coverage below the level",
            "By how much less than its price asks for a workload is covered: median and worst tenth.",
            "percentunit",
            Query(f"quantile(0.5, {short})", "median"),
            Query(f"quantile(0.9, {short})", "worst tenth"),
            limit=limits.COVERAGE_SHORTFALL,
            least=None,
        ),
    )


def _worth() -> tuple[Row | Panel, ...]:
    missed = f"{_of(DEMAND.name)} > {_of(REQUIRED.name, offset=' offset 5m')}"
    skill = _of(SKILL.name)
    return (
        Row("Savings and misses"),
        table(
            "Largest savings",
            "Workloads where acting is cheapest beside reacting, in the replay of the last days.",
            "percentunit",
            f"topk(10, {skill})",
            width=8,
            links=_OF_ROW,
        ),
        table(
            "Where prediction does not pay",
            "Least skill first; in mode Auto the measured demand is served there.",
            "percentunit",
            f"bottomk(10, {skill})",
            width=8,
            links=_OF_ROW,
            limit=limits.SKILL,
        ),
        series(
            "Misses",
            "Workloads whose demand is above what was required five minutes ago.",
            "short",
            Query(or_zero(f"count({missed})"), "missed"),
        ),
        series(
            "Pods asked for",
            "By served values at capacityPerPod; click for the reason.",
            "short",
            Query(_of(PODS.name), "{{namespace}}/{{name}}"),
            stacked=True,
            links=(EXPLANATION, WORKLOAD_PAGE),
        ),
        series(
            "Known events",
            "What the calendar multiplies demand by, until new pods are up.",
            "short",
            Query(_of(CALENDAR.name), "{{namespace}}/{{name}}"),
        ),
        series(
            "Skill",
            "Saved by acting, in the replay of the last days.",
            "percentunit",
            Query(skill, "{{namespace}}/{{name}}"),
            limit=limits.SKILL,
            least=None,
            links=(WORKLOAD_PAGE,),
        ),
    )


def _inputs() -> tuple[Row | Panel, ...]:
    age = f"max by (namespace, name) ({DATA_AGE.name}{_ALL})"
    return (
        Row("What it rests on"),
        series(
            "Age of the data",
            "Oldest newest sample, and the worst tenth.",
            "s",
            Query(f"max({age})", "oldest"),
            Query(f"quantile(0.9, {age})", "worst tenth"),
            width=12,
            limit=limits.DATA_AGE_SECONDS,
        ),
        series(
            "Lead",
            "Time that new pods need, as planned with.",
            "s",
            Query(_of(LEAD.name, "origin"), "{{namespace}}/{{name}} {{origin}}"),
            width=12,
        ),
    )
