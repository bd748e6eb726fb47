"""A proposal for eyes and for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.cli.output import print_table
from app.planning.behaviour import to_hpa
from app.tuning.measured import Finding
from app.tuning.proposal import Proposal
from app.tuning.search import Candidate


def show(proposal: Proposal) -> None:
    """Two tables and what could not be told."""
    print(f"{proposal.name}: {proposal.days:.1f} days, type {proposal.kind}")
    rows = [(one.setting, _value(one), one.confidence, one.evidence) for one in proposal.findings]
    print_table(("setting", "proposed", "how far it is known", "evidence"), rows)
    for one in proposal.refused:
        print(f"not told {one.evidence}")
    found = proposal.found
    numbers = "the forecast's numbers" if proposal.forecast else "the newest demand over a share of the capacity"
    print_table(
        ("scale-in", "first part", "rest", "pod-hours", "overload", "pods removed"),
        [_row(label, one) for label, one in _candidates(proposal)],
        title=f"Replayed on {numbers}: {found.tried} tried",
    )
    print(_sentence(proposal) + "\n")


def as_json(proposal: Proposal, objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For programs."""
    found = proposal.found
    return {
        "history": proposal.name,
        "type": str(proposal.kind),
        "days": round(proposal.days, 3),
        "settings": [_finding(one) for one in proposal.findings],
        "not_told": [_finding(one) for one in proposal.refused],
        "behaviour": {
            "scaleUp": to_hpa(found.chosen.behaviour.up),
            "scaleDown": to_hpa(found.chosen.behaviour.down),
            "evidence": _sentence(proposal),
            "on_forecast": proposal.forecast,
            "candidates": {
                label: {"name": one.name, "first": asdict(one.first), "rest": asdict(one.rest)}
                for label, one in _candidates(proposal)
            },
        },
        "objects": list(objects),
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {**asdict(one), "confidence": str(one.confidence)}


def _value(one: Finding) -> str:
    if one.value is None:
        return "-"
    span = f" ({one.low:.3g} to {one.high:.3g})" if one.low is not None and one.high is not None else ""
    return f"{one.value:.4g}{span}"


def _candidates(proposal: Proposal) -> list[tuple[str, Candidate]]:
    found = proposal.found
    shown = {"proposed": found.chosen, "best on the first part": found.best, **found.others}
    return [(label, one) for label, one in shown.items() if label == "proposed" or one is not found.chosen]


def _row(label: str, one: Candidate) -> tuple[str, ...]:
    share = "" if one.share != one.share or one.share == 1 else f" at {one.share:.0%}"
    return (
        f"{label}: {one.name}{share}",
        f"{one.first.cost:.3f}",
        f"{one.rest.cost:.3f}",
        f"{one.rest.pod_minutes / 60:,.0f}",
        f"{one.rest.overload:.2%}",
        f"{one.rest.removed:,.0f}",
    )


def _sentence(proposal: Proposal) -> str:
    found, own = proposal.found, proposal.found.others["shipped"]
    if found.chosen is own:
        on_rest = "worse" if found.best.rest.cost > own.rest.cost else "hardly better"
        return (
            f"The shipped policy stays: the best of {found.tried} on the first part was {on_rest} on the other "
            f"{proposal.rest_days:.1f} days ({found.best.rest.cost:.3f} against {own.rest.cost:.3f})."
        )
    return (
        f"{1 - found.chosen.rest.cost / own.rest.cost:.1%} cheaper than the shipped policy on {proposal.rest_days:.1f} "
        "days that did not choose it."
    )
