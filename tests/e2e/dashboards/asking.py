"""What Grafana makes of a dashboard's queries: variables filled in, asked of the chosen datasource."""

import math
from dataclasses import dataclass
from typing import Any

import httpx

POINTS = 300
CHOSEN = {"job": "forescale", "instance": ".*", "workload": ".*"}
ONE = {"namespace": "mcp", "name": "mcp-catalog"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
RATE_SECONDS = 30  # Grafana: four scrape intervals at least


@dataclass(frozen=True)
class Line:
    """One series of an answer: labels, times in Unix seconds, finite values."""

    labels: dict[str, str]
    times_s: list[float]
    values: list[float]


@dataclass(frozen=True)
class Datasource:
    """A Prometheus API. one: whether a dashboard shows one workload, not all."""

    url: str
    one: bool = False

    def filled(self, expr: str, *, range_seconds: float) -> str:
        """As Grafana sends it."""
        words = {
            "$__rate_interval": f"{RATE_SECONDS}s",
            "$__range_s": f"{range_seconds:.0f}",
            "$__range": f"{range_seconds:.0f}s",
            **{f"${name}": value for name, value in (ONE if self.one else CHOSEN | {"namespace": ".*"}).items()},
        }
        for name, value in words.items():
            expr = expr.replace(name, value)
        return expr

    def range(self, expr: str, *, start_s: float, end_s: float, range_seconds: float | None = None) -> list[Line]:
        """As a panel asks: some hundred points, aligned to their distance. range_seconds: what $__range stands for."""
        step = max(math.ceil((end_s - start_s) / POINTS), 1)
        span = {"start": start_s // step * step, "end": end_s // step * step, "step": step}
        filled = self.filled(expr, range_seconds=range_seconds or end_s - start_s)
        return _lines(self._ask("query_range", query=filled, **span))

    def instant(self, expr: str, *, at_s: float, range_seconds: float) -> list[Line]:
        """As a table asks."""
        return _lines(self._ask("query", query=self.filled(expr, range_seconds=range_seconds), time=at_s))

    def _ask(self, what: str, **form: Any) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.url}/api/v1/{what}", data=form, timeout=60)
        content = answer.json()
        assert content["status"] == "success", f"{form['query']}: {content.get('error')}"
        result: list[dict[str, Any]] = content["data"]["result"]
        return result

    def values(self, label: str, of: str) -> list[str]:
        """As a variable asks."""
        query = {"match[]": self.filled(of, range_seconds=86_400)}
        found: list[str] = httpx.get(f"{self.url}/api/v1/label/{label}/values", params=query, timeout=60).json()["data"]
        return found


def _lines(result: list[dict[str, Any]]) -> list[Line]:
    made = []
    for one in result:
        points = [(float(at), float(value)) for at, value in one.get("values") or [one["value"]]]
        finite = [(at, value) for at, value in points if math.isfinite(value)]
        if finite:
            times_s, values = zip(*finite, strict=True)
            made.append(Line(one["metric"], list(times_s), list(values)))
    return made


def seconds(text: str) -> float:
    """Of Grafana's `now-24h`, relative to now."""
    rest = text.removeprefix("now")
    return 0 if not rest else float(rest[:-1]) * _UNITS[rest[-1]]
