"""Kubernetes label selectors: the grammar of `labelSelector=`, and whether labels match.

Grammar and meaning as apimachinery's labels.Parse: a comma is "and"; `!=` and `notin` also match a missing key;
`in ()` holds the empty value; `>` and `<` compare 64-bit integers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Operator = Literal["=", "==", "!=", "in", "notin", "exists", "absent", ">", "<"]
_BINARY = ("=", "==", "!=", "in", "notin", ">", "<")
_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+|$)")
_SYMBOLS = frozenset({"==", "!=", "=", "!", "(", ")", ",", "<", ">", ""})
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT64 = 2**63


class SelectorError(ValueError):
    """The selector cannot be parsed; the text says where."""


@dataclass(frozen=True)
class Requirement:
    """One condition on one key."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case "=" | "==" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        number = None if value is None else _integer(value)
        if number is None:
            return False
        bound = int(next(iter(self.values)))
        return number > bound if self.operator == ">" else number < bound


Selector = tuple[Requirement, ...]


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil every requirement; an empty selector matches all."""
    return all(requirement.matches(labels) for requirement in selector)


@lru_cache(maxsize=512)
def parse(text: str) -> Selector:
    """The selector in `text`; raises SelectorError. Remembered, since an HPA asks with the same one all day."""
    return _Parser(text).selector()


class _Parser:
    """Recursive descent over the tokens; the last token is "" (end)."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def selector(self) -> Selector:
        found: list[Requirement] = []
        while self._peek != "":
            if self._peek in _SYMBOLS and self._peek != "!":
                raise SelectorError(f"found '{self._peek}', expected: !, identifier, or 'end of string'")
            found.append(self._requirement())
            if self._peek == "":
                break
            if self._take() != ",":
                raise SelectorError(f"found '{self._tokens[self._at - 1]}', expected: ',' or 'end of string'")
            if self._peek in _SYMBOLS and self._peek != "!":
                raise SelectorError(f"found '{self._peek}', expected: identifier after ','")
        return tuple(found)

    @property
    def _peek(self) -> str:
        return str(self._tokens[self._at])

    def _take(self) -> str:
        token = self._peek
        if token != "":
            self._at += 1
        return token

    def _requirement(self) -> Requirement:
        try:
            return self._parsed_requirement()
        except SelectorError as error:
            raise SelectorError(f"unable to parse requirement: {error}") from None

    def _parsed_requirement(self) -> Requirement:
        absent = self._peek == "!"
        if absent:
            self._take()
        key = _valid_key(self._identifier())
        if absent or self._peek in ("", ","):
            return Requirement(key, "absent" if absent else "exists")
        operator = self._take()
        if operator not in _BINARY:
            raise SelectorError(f"found '{operator}', expected: {', '.join(_BINARY)}")
        values = self._value_set() if operator in ("in", "notin") else [self._exact_value()]
        return _valid(Requirement(key, operator, frozenset(values)))  # type: ignore[arg-type]

    def _identifier(self) -> str:
        token = self._take()
        if token in _SYMBOLS:
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def _exact_value(self) -> str:
        return "" if self._peek in ("", ",") else self._identifier()

    def _value_set(self) -> list[str]:
        if (opening := self._take()) != "(":
            raise SelectorError(f"found '{opening}' expected: '('")
        values = [self._listed_value()]
        while (following := self._take()) == ",":
            values.append(self._listed_value())
        if following != ")":
            raise SelectorError(f"found '{following}', expected: ',' or ')'")
        return values

    def _listed_value(self) -> str:
        return "" if self._peek in (",", ")") else self._identifier()


def _integer(text: str) -> int | None:
    if not _INTEGER.fullmatch(text) or len(text) > 20:
        return None
    number = int(text)
    return number if -_INT64 <= number < _INT64 else None


def _valid_key(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name):
        raise SelectorError(f"invalid label key {key!r}: the name must be at most 63 of [A-Za-z0-9_.-]")
    if slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix)):
        raise SelectorError(f"invalid label key {key!r}: the prefix must be a DNS subdomain")
    return key


def _valid(requirement: Requirement) -> Requirement:
    for value in requirement.values:
        if value and not _NAME.fullmatch(value):
            raise SelectorError(f"invalid label value {value!r}: at most 63 of [A-Za-z0-9_.-]")
        if requirement.operator in ("<", ">") and _integer(value) is None:
            raise SelectorError(f"{value!r}: for '>' and '<' the value must be an integer")
    return requirement
