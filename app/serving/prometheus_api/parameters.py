"""Times, durations and parameters of the Prometheus HTTP API, from the query or a form."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from fastapi import Request

from app.serving.prometheus_api.answers import QueryError

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_MOST_BYTES = 100_000
_FURTHEST_SECONDS = 1e11  # year 5138; further away datetimes fail


@dataclass(frozen=True)
class Parameters:
    """What was asked, all values of each name."""

    values: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """Raises QueryError where it is missing."""
        found = self.values.get(name)
        if not found:
            raise QueryError("bad_data", f'invalid parameter "{name}": it is missing')
        return found[0]

    def all(self, name: str) -> Sequence[str]:
        """Every value, none where it is missing."""
        return self.values.get(name, ())

    def time(self, name: str, default: float | None = None) -> float:
        """Unix seconds, or RFC 3339. Raises QueryError."""
        if default is not None and not self.values.get(name):
            return default
        text = self.text(name)
        try:
            seconds = float(text)
        except ValueError:
            try:
                seconds = datetime.fromisoformat(text).timestamp()
            except ValueError:
                seconds = math.nan
        if not abs(seconds) < _FURTHEST_SECONDS:
            raise QueryError("bad_data", f'invalid parameter "{name}": cannot parse {text!r} to a valid timestamp')
        return seconds

    def duration(self, name: str) -> float:
        """Seconds, as a number or as 1h30m. Raises QueryError where it is not above zero."""
        seconds = parsed_duration(self.text(name))
        if seconds is None or not 0 < seconds < _FURTHEST_SECONDS:
            raise QueryError("bad_data", f'invalid parameter "{name}": not a duration above zero')
        return seconds


def parsed_duration(text: str) -> float | None:
    """Seconds; None where it is no duration."""
    try:
        return float(text)
    except ValueError:
        parts = _DURATION.findall(text)
        if not parts or "".join(amount + unit for amount, unit in parts) != text:
            return None
        return float(sum(int(amount) * _SECONDS[unit] for amount, unit in parts))


async def parameters(request: Request) -> Parameters:
    """From the query, and from a form where one is sent: Grafana's datasource does either."""
    found: dict[str, list[str]] = {}
    texts = [request.url.query]
    if request.method == "POST":
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise QueryError("bad_data", f"the form is longer than {_MOST_BYTES:,} bytes")
        texts.append(body.decode(errors="replace"))
    for text in texts:
        for name, values in parse_qs(text).items():
            found.setdefault(name.removesuffix("[]") if name != "match[]" else name, []).extend(values)
    return Parameters(found)
