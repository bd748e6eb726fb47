"""Objectives of MCP operations over 30 days, and alerts on how fast their error budgets burn.

Several windows and rates, as in Google's SRE workbook, chapter 5: a long window tells that it matters, a short one that
it still goes on. Windows beyond five minutes sum recorded rates, so that days are weighted by their traffic and cheap.
"""

from tools.monitoring.limits import AVAILABILITY, OPERATION_SECONDS, PROMPTNESS
from tools.monitoring.rules.model import Alert, Group, Record, RuleFile

OPERATIONS = "service:mcp_operations:rate5m"
BAD = "service:mcp_bad:rate5m"
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
BUDGETS = {"availability": round(1 - AVAILABILITY.value, 6), "latency": round(1 - PROMPTNESS.value, 6)}
FAST = (("1h", "5m", 14.4), ("6h", "30m", 6))
SLOW = (("1d", "2h", 3), ("3d", "6h", 1))
"""Long window, short window, burn rate: 2 % of the budget in 1 h, 5 % in 6 h; 10 % in a day, 10 % in three."""

_COUNT = "mcp_server_operation_duration_seconds_count"
_BY = "sum by (namespace, service)"
_SERVERS_FAULT = 'forescale_mcp_error_kind=~"protocol|transport"'  # not: the tool said no, the caller went away
_IN_TIME = f'le=~"{OPERATION_SECONDS.value:g}([.]0)?"'  # 2 or 2.0, as the exposition format has it


def burn(window: str) -> str:
    """Name of the recorded rate at which budgets burn; 1: the budget lasts for just the 30 days."""
    return f"service:mcp_burn:rate{window}"


def slo() -> RuleFile:
    """Availability and latency under one name, told apart by the label `objective`."""
    why_records = "rates of good and bad operations, and how many times too fast the error budgets burn."
    why_alerts = "two windows each: the long one says that it matters, the short one that it still goes on."
    return RuleFile(
        "slo",
        (
            Group("forescale-slo", why_records, (*_rates(), *(one for each in WINDOWS for one in _burns(each)))),
            Group("forescale-slo-alerts", why_alerts, _alerts()),
        ),
    )


def _rates() -> tuple[Record, ...]:
    total = f"{_BY} (rate({_COUNT}[5m]))"
    failed = f"{_BY} (rate({_COUNT}{{{_SERVERS_FAULT}}}[5m]))"
    prompt = f"{_BY} (rate(mcp_server_operation_duration_seconds_bucket{{{_IN_TIME}}}[5m]))"
    return (
        Record(OPERATIONS, total),
        Record(BAD, f"{failed} or 0 * {OPERATIONS}", {"objective": "availability"}),
        Record(BAD, f"{OPERATIONS} - {prompt}", {"objective": "latency"}),
    )


def _burns(window: str) -> tuple[Record, ...]:
    over = "{}" if window == "5m" else f"sum_over_time({{}}[{window}])"
    made = []
    for objective, budget in BUDGETS.items():
        bad = over.format(f'{BAD}{{objective="{objective}"}}')
        total = over.format(OPERATIONS)
        expr = f"{bad} / ignoring (objective) ({total} > 0) / {budget:g}"
        made.append(Record(burn(window), expr, {"objective": objective}))
    return tuple(made)


def _alerts() -> tuple[Alert, ...]:
    summary = "{{ $labels.namespace }}/{{ $labels.service }} burns its {{ $labels.objective }} budget"
    return (
        Alert("McpBudgetBurnsFast", _either(FAST), "2m", "critical", f"{summary}: gone within days"),
        Alert("McpBudgetBurnsSlowly", _either(SLOW), "15m", "warning", f"{summary}: gone before 30 days are over"),
    )


def _either(pairs: tuple[tuple[str, str, float], ...]) -> str:
    parts = [f"({burn(long)} > {rate:g} and {burn(short)} > {rate:g})" for long, short, rate in pairs]
    return "\nor\n".join(parts)
