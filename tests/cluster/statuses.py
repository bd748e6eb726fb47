"""LoadForecasts as the scripted kube-apiserver holds them, and what was written into their status."""

from typing import Any

from app.cluster.keeper import Shelf
from app.workloads.book import Book, LeadTime

NOW = 1_700_000_020.0  # ten seconds after the cut of make_snapshot


def read(fake: Any, **measured: LeadTime) -> Book:
    shelf = Shelf()
    for (resource, _, _), item in fake.objects.items():
        if resource == "loadforecasts":
            shelf.put(item)
    entries, forecasts, rejected = shelf.contents()
    leads = {key: entry.lead for key, entry in entries.items() if entry.lead}
    return Book(
        forecasts=forecasts,
        leads=leads,
        rejected=rejected,
        measured={f"mcp/{name}": lead for name, lead in measured.items()},
        recorded={key: entry.recorded for key, entry in entries.items()},
        prices={key: entry.price for key, entry in entries.items() if entry.price is not None},
    )


def status(fake: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = fake.objects["loadforecasts", "mcp", name]["status"]
    return found


def condition(fake: Any, name: str, kind: str) -> dict[str, Any]:
    return next(one for one in status(fake, name)["conditions"] if one["type"] == kind)


def written(fake: Any) -> list[str]:
    return [path.split("/")[-2] for method, path, *_ in fake.requests if method == "PATCH"]
