"""Which tools a task needs: a plan by rules, standing for the language model that a real agent would ask."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

_SKU = re.compile(r"\bM\d+x\d+-[\w.]+", re.IGNORECASE)


class NoToolError(Exception):
    """No server that was found has a tool for the task."""


@dataclass(frozen=True)
class Step:
    """One tool call; `server` is its name in the registry."""

    server: str
    tool: str
    arguments: Mapping[str, Any]


def plan(task: str, *, tools: Mapping[str, Collection[str]]) -> list[Step]:
    """Steps in the order in which they are to be done. tools: of each server. Raises NoToolError."""
    sku = _SKU.search(task)
    wishes: list[tuple[str, dict[str, Any]]] = [("search", {"words": task, "limit": 5})]
    if sku is not None:
        wishes.append(("lookup", {"sku": sku.group()}))
    if "inch" in task.lower():
        wishes.append(("convert", {"value": 1.0, "given": "in", "wanted": "mm"}))
    if "server" in task.lower():
        wishes.append(("find_servers", {"words": "screws"}))
    if "make" in task.lower():
        wishes.append(("make", {"part": task[:100], "seconds": 0.2, "steps": 2}))
    steps = [
        Step(server, tool, arguments)
        for tool, arguments in wishes
        for server in [next((name for name, known in tools.items() if tool in known), None)]
        if server is not None
    ]
    if not steps:
        raise NoToolError(f"none of {len(tools)} servers has a tool for this task")
    return steps
