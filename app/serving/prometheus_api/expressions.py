"""PromQL as far as a forecast can answer it: selectors with matchers, offset and range, and arithmetic of numbers.

The grammar is Prometheus' own (promql-parser); everything else is refused by name, so that nobody takes a number for
what it is not. Functions and aggregations belong into a Prometheus that scrapes /metrics.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser
import re2

from app.serving.prometheus_api.answers import QueryError

_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: _divided(left, right),
    "%": lambda left, right: math.fmod(left, right) if right and math.isfinite(left) else math.nan,
    "^": lambda left, right: _power(left, right),
}
_LONGEST = 10_000


@dataclass(frozen=True)
class Matcher:
    """One condition on a label; a label that is missing is empty, as in Prometheus."""

    name: str
    operator: str
    value: str

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it."""
        text = labels.get(self.name, "")
        if self.operator in ("=", "!="):
            return (text == self.value) == (self.operator == "=")
        return (re2.fullmatch(self.value, text) is not None) == (self.operator == "=~")


@dataclass(frozen=True)
class Selector:
    """offset_seconds: so long before the time asked for. range_seconds: of a range vector; None: an instant one."""

    matchers: tuple[Matcher, ...]
    offset_seconds: float = 0.0
    range_seconds: float | None = None

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether all matchers do."""
        return all(one.accepts(labels) for one in self.matchers)


Expression = Selector | float


def parse(text: str) -> Expression:
    """A selector, or the number that arithmetic gives. Raises QueryError (bad_data)."""
    if len(text) > _LONGEST:
        raise QueryError("bad_data", f"the query is longer than {_LONGEST:,} characters")
    try:
        found = promql_parser.parse(text)
    except (ValueError, OverflowError) as error:
        raise QueryError("bad_data", f'invalid parameter "query": parse error: {error}') from error
    return _expression(found)


def selector(text: str) -> Selector:
    """A series selector, as in match[]. Raises QueryError."""
    found = parse(text)
    if not isinstance(found, Selector) or found.range_seconds is not None:
        raise QueryError("bad_data", f'invalid parameter "match[]": {text!r} is not a series selector')
    return found


def _expression(found: Any) -> Expression:
    if isinstance(found, promql_parser.ParenExpr):
        return _expression(found.expr)
    if isinstance(found, promql_parser.VectorSelector):
        return _selector(found, None)
    if isinstance(found, promql_parser.MatrixSelector):
        return _selector(found.vector_selector, found.range.total_seconds())
    return _number(found)


def _number(found: Any) -> float:
    if isinstance(found, promql_parser.ParenExpr):
        return _number(found.expr)
    if isinstance(found, promql_parser.NumberLiteral):
        return float(found.val)
    if isinstance(found, promql_parser.UnaryExpr):
        return -_number(found.expr)
    if isinstance(found, promql_parser.BinaryExpr) and str(found.op) in _ARITHMETIC:
        return _ARITHMETIC[str(found.op)](_number(found.lhs), _number(found.rhs))
    kind = type(found).__name__
    raise QueryError(
        "bad_data",
        f'invalid parameter "query": {kind} is not supported here, only series selectors and arithmetic of numbers; '
        "for functions query a Prometheus that scrapes /metrics",
    )


def _selector(found: Any, range_seconds: float | None) -> Selector:
    if found.at is not None:
        raise QueryError("bad_data", 'invalid parameter "query": the @ modifier is not supported here; use offset')
    if found.matchers.or_matchers:
        raise QueryError("bad_data", 'invalid parameter "query": "or" between matchers is not supported here; use =~')
    named = [] if found.name is None else [Matcher("__name__", "=", found.name)]
    matchers = (*named, *_matchers(found.matchers.matchers))
    offset = 0.0 if found.offset is None else found.offset.total_seconds()
    return Selector(matchers, offset, range_seconds)


def _matchers(found: Iterable[Any]) -> Iterable[Matcher]:
    operators = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    for one in found:
        operator = operators[str(one.op).rpartition(".")[2]]
        if operator in ("=~", "!~"):
            try:
                re2.compile(one.value)
            except re2.error as error:
                raise QueryError("bad_data", f'invalid parameter "query": {one.value!r}: {error}') from error
        yield Matcher(one.name, operator, one.value)


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _power(left: float, right: float) -> float:
    try:
        found = left**right
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return found if isinstance(found, float) else math.nan
