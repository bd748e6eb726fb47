"""One example of each answer for the OpenAPI document: small, of the same workload, and checked against its schema."""

from collections.abc import Mapping
from typing import Any

from app.serving.rest.economy_examples import ECONOMY

_PREFIX = "/api/v1"
_KEY = {"namespace": "mcp", "name": "gateway"}
_TIMES = ["2026-01-31T14:04:00Z", "2026-01-31T14:05:00Z"]
_CUT = _TIMES[-1]
_ASKED = f"{_PREFIX}/namespaces/mcp/loadforecasts/gateway/what-if/TpA8bZmD9uHhZF7RuvuEKA?days=7"

WORKLOAD: dict[str, Any] = {
    **_KEY,
    "target": {"kind": "Deployment", "name": "gateway"},
    "unit": "requests/s",
    "mode": "Auto",
    "served": 61.5,
    "reason": "ForecastActs",
    "acting": True,
    "demand": 38.2,
    "required": 61.5,
    "capacity_per_pod": 12,
    "pods": 6,
    "lead_seconds": 90,
    "lead_origin": "Measured",
    "skill": 0.31,
    "coverage": 0.957,
    "data_time": _CUT,
    "age_seconds": 4.2,
    "note": "",
}

FORECAST: dict[str, Any] = {
    **_KEY,
    "unit": "requests/s",
    "cut": _CUT,
    "served": 61.5,
    "reason": "ForecastActs",
    "acting": True,
    "required": 61.5,
    "required_level": 0.952,
    "required_until": "2026-01-31T14:06:45Z",
    "lead_seconds": 90,
    "lead_origin": "Measured",
    "history": {"times": _TIMES, "values": [36.9, 38.2]},
    "served_history": {"times": _TIMES, "values": [58.0, 61.5]},
    "required_history": {"times": _TIMES, "values": [58.0, 61.5]},
    "forecast": {
        "times": ["2026-01-31T14:06:00Z", "2026-01-31T14:07:00Z"],
        "quantiles": [{"level": 0.5, "values": [44.1, 52.8]}, {"level": 0.95, "values": [52.0, 61.3]}],
    },
}

EXPLANATION: dict[str, Any] = {
    **_KEY,
    "cut": _CUT,
    "recomputed": False,
    "demand": {
        "text": "38.2 requests/s were measured 4 s ago.",
        "value": 38.2,
        "unit": "requests/s",
        "query": 'sum(rate(mcp_requests_total{deployment="gateway"}[1m]))',
        "time": _CUT,
        "age_seconds": 4.2,
    },
    "lead": {
        "text": "A new pod needs 90 s (measured), and the next number comes 15 s later: the next 105 s count.",
        "seconds": 90,
        "origin": "Measured",
        "window_seconds": 105,
    },
    "objective": {
        "text": "A missing pod-minute costs as much as 20 idle ones, so capacity has to suffice in 95.2% of all cases.",
        "missing_pod_price": 20,
        "level": 0.952,
        "capacity_per_pod": 12,
    },
    "voices": {
        "text": "The loudest of the candidates: linear 0.98 quantile would provide for 62.4 requests/s (40%).",
        "voices": [{"candidate": "linear 0.98 quantile", "share": 0.4, "value": 62.4}],
    },
    "calendar": {"text": "No known event lies within that time.", "factor": 1},
    "required": {
        "text": "The largest demand of the next 105 s is expected below 61.5 requests/s in 95.2% of all cases.",
        "value": 61.5,
        "coverage": 0.957,
    },
    "trust": {
        "text": "Replayed on held-out days, acting is 31.0% cheaper. Mode Auto.",
        "mode": "Auto",
        "acting": True,
        "reactive_cost": 10400,
        "forecast_cost": 7176,
        "skill": 0.31,
    },
    "drop": {"text": "No unforeseen drop is being waited out.", "holding": False},
    "sizes": {
        "text": "All pods count as capacityPerPod says.",
        **dict.fromkeys(("load", "asked", "pods", "carry", "newest", "largest")),
    },
    "bounds": {"text": "Limits: at least 0, no maximum.", "minimum": 0, "maximum": None, "binding": None},
    "served": {
        "text": "The forecast is served: more is expected than is measured now.",
        "value": 61.5,
        "quantity": "61500m",
        "reason": "ForecastActs",
        "note": "",
    },
}

QUALITY: dict[str, Any] = {
    **_KEY,
    "level": 0.952,
    "coverage": 0.957,
    "skill": 0.31,
    "reactive_cost": 10400,
    "forecast_cost": 7176,
    "missing_pod_price": 20,
    "trusted": True,
    "text": "Over 1 replayed days acting would have taken 76 pod-minutes more than reacting on the newest number.",
    "days": [
        {
            "end": "2026-01-31T00:00:00Z",
            "hours": 24,
            "reactive_pod_minutes": 6800,
            "reactive_short_pod_minutes": 180,
            "forecast_pod_minutes": 6876,
            "forecast_short_pod_minutes": 15,
            "skill": 0.31,
            "coverage": 0.957,
        }
    ],
}


def _policy(name: str, *, pod_minutes: float, short: float, overload: float) -> dict[str, Any]:
    return {
        "name": name,
        "cost": round((pod_minutes + 20 * short) / 120_000, 3),
        "pods": round(pod_minutes / 120_000, 3),
        "overload": overload,
        "minutes_short": 0 if short == 0 else 210,
        "pod_minutes": pod_minutes,
        "short_pod_minutes": short,
        "money": None,
    }


WHAT_IF: dict[str, Any] = {
    "state": "Done",
    "history": "mcp/gateway",
    "scored_minutes": 5_040,
    "lead_minutes": 5,
    "missing_pod_price": 20,
    "capacity_per_pod": 12,
    "policies": {
        "hpa": _policy("HPA reacting at 70%", pod_minutes=241_000, short=1_764, overload=0.015),
        "reactive": _policy("HPA reacting, best in hindsight", pod_minutes=222_000, short=1_932, overload=0.0165),
        "forecast": _policy("HPA with the forecast", pod_minutes=209_000, short=951, overload=0.0081),
        "perfect": _policy("HPA with a perfect forecast", pod_minutes=187_500, short=0, overload=0),
    },
    "gap_closed": 0.44,
    "acting_share": 1,
    "sentence": "The forecast would have cost 12.3% less than the best way of reacting.",
    "curves": {
        "times": _TIMES,
        "demand": [39.1, 37.2],
        "ready": {"hpa": [18, 18], "reactive": [28, 28], "forecast": [37, 37], "perfect": [40, 40]},
    },
}

EXAMPLES: Mapping[str, dict[str, Any]] = {
    **ECONOMY,
    "Workload": WORKLOAD,
    "WorkloadPage": {"cut": _CUT, "poll_seconds": 15, "total": 1, "items": [WORKLOAD], "continue": None},
    "Forecast": FORECAST,
    "Explanation": EXPLANATION,
    "Quality": QUALITY,
    "Parts": {
        **_KEY,
        "unit": "requests/s",
        "measured": _CUT,
        "note": "",
        "level": 0.5,
        "times": ["2026-01-31T14:06:00Z"],
        "served": 61.5,
        "whole": [44.1],
        "parts": [
            {"labels": {"gen_ai_tool_name": "search"}, "now": 28.1, "served": 45.2, "values": [32.4]},
            {"labels": {"gen_ai_tool_name": "_OTHER"}, "now": 10.1, "served": 16.3, "values": [11.7]},
        ],
    },
    "Drain": {
        **_KEY,
        "text": "Of pods that are ready gateway-5d4c-x2x9q goes first, with 3 sessions.",
        "note": "",
        "pods": [
            {"name": name, "sessions": held, "cost": held, "written": held, "foreign": False, "due": False}
            for name, held in (("gateway-5d4c-x2x9q", 3), ("gateway-5d4c-7kq2v", 41))
        ],
    },
    "WhatIf": WHAT_IF,
    "Pending": {"state": "Running", "progress": 0.4, "location": _ASKED},
    "Health": {
        "status": "Fresh",
        "version": "0.1.0",
        "cut": _CUT,
        "cut_age_seconds": 4.2,
        "refresh_seconds": 15,
        "staleness_seconds": 180,
        "fitted": "2026-01-31T12:00:00Z",
        "fit_age_seconds": 7504,
        "workloads": 1,
        "refused": 0,
        "rejected_total": 1,
        "rejected": [{"key": "mcp/broken", "text": "spec.capacityPerPod: write a number above zero"}],
        "counters": {"forescale_refresh_passes_total|ok": 163},
    },
    "ProblemKind": {
        "type": f"{_PREFIX}/problems/busy",
        "title": "Too many questions are waiting",
        "status": 429,
        "remedy": "Ask again after Retry-After seconds.",
    },
    "Problem": {
        "type": f"{_PREFIX}/problems/unknown-workload",
        "title": "No such LoadForecast",
        "status": 404,
        "detail": "There is no LoadForecast mcp/gatewy. GET /api/v1/workloads lists those there are.",
        "instance": f"{_PREFIX}/namespaces/mcp/loadforecasts/gatewy/forecast",
    },
}
"""Schema of the document -> an answer of that kind."""
