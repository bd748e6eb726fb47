"""Blocks of a LoadForecast's spec that are off unless they are given: parts, scale to zero, drain."""

import re
from typing import Annotated

from pydantic import Field

from app.workloads.fields import Part

LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=128)]

MOST_PARTS = 20
OTHER = "_OTHER"
"""Label value of all parts that have none of their own, as instrumentation calls what it does not tell apart."""


class Split(Part):
    """The demand told apart by labels (tool, tenant). query: gives one series a part, with the labels and those of
    demand.seriesLabels; default: demand.query, whose outermost sum is split. max_parts: of the largest; the others are
    one."""

    labels: list[LabelName] = Field(min_length=1, max_length=4)
    max_parts: int = Field(10, ge=1, le=MOST_PARTS)
    query: str = Field("", max_length=4096)


class ScaleToZero(Part):
    """For workers on a queue: 0 is served while nothing is expected within lead + hold_seconds, and one pod before.

    hold_seconds: what a pod is worth keeping for: below it two batches are one.
    """

    hold_seconds: int = Field(300, ge=0, le=86_400)


class Drain(Part):
    """Which pods may go first: those with the fewest of what the query counts, sessions as a rule.

    query: gives one series a pod. pod_label: its label with the pod's name. max_patches_per_minute: of this workload.
    """

    query: str = Field(min_length=1, max_length=4096)
    pod_label: LabelName = "pod"
    max_patches_per_minute: int = Field(10, ge=1, le=120)


_BEGIN = re.compile(r"\s*sum\b\s*(?:by\s*\(([^()]*)\)\s*)?\(", re.IGNORECASE)
_END = re.compile(r"\s*(?:by\s*\(([^()]*)\)\s*)?", re.IGNORECASE)
_QUOTES = "\"'`"


def split_query(query: str, labels: list[str]) -> str:
    """The query with `labels` added to those of its outermost sum, so that its answers add up to what it gave.

    Raises ValueError where the query is anything but one sum: an average or a ratio has no parts that add up.
    """
    begin = _BEGIN.match(query)
    close = _closing(query, begin.end()) if begin else None
    end = _END.fullmatch(query, close + 1) if close is not None else None
    if begin is None or close is None or end is None or (begin[1] is not None and end[1] is not None):
        raise ValueError("demand.query is not one sum, whose parts add up to it; give parts.query")
    kept = [name.strip() for name in (begin[1] or end[1] or "").split(",") if name.strip()]
    by = ", ".join(dict.fromkeys([*kept, *labels]))
    return f"sum by ({by}) ({query[begin.end() : close]})"


def _closing(query: str, start: int) -> int | None:
    """Place of the bracket that closes the one before `start`; brackets within strings do not count."""
    depth, quote, place = 1, "", start
    while place < len(query):
        sign = query[place]
        if quote:
            if sign == "\\" and quote != "`":
                place += 1
            elif sign == quote:
                quote = ""
        elif sign in _QUOTES:
            quote = sign
        else:
            depth += (sign == "(") - (sign == ")")
            if depth == 0:
                return place
        place += 1
    return None
