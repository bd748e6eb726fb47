"""What a PromQL expression asks for: the metrics in it, and the labels that select them."""

from collections.abc import Iterator
from typing import Any

import promql_parser

RANGES = {"$__rate_interval": "5m", "$__range_s": "86400", "$__range": "1d", "$__interval": "1m"}
CHOSEN = "chosen_"
_PARTS = ("expr", "lhs", "rhs", "args", "vector_selector", "param")


def filled(expr: str) -> str:
    """With Grafana's own variables replaced, and the dashboard's by words."""
    for name, value in RANGES.items():
        expr = expr.replace(name, value)
    return expr.replace("$", CHOSEN)


def selectors(expr: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Metric name, and label -> wanted value of every selector."""
    yield from _below(promql_parser.parse(filled(expr)))


def metrics(expr: str) -> set[str]:
    """All names that are asked for."""
    return {name for name, _ in selectors(expr)}


def _below(node: Any) -> Iterator[tuple[str, dict[str, str]]]:
    if isinstance(node, promql_parser.VectorSelector):
        yield str(node.name), {one.name: one.value for one in node.matchers.matchers}
        return
    for part in _PARTS:
        below = getattr(node, part, None)
        for one in below if isinstance(below, list) else [below]:
            if one is not None and not isinstance(one, str | float):
                yield from _below(one)
