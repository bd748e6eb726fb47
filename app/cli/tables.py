"""What a replay found, as a table and a sentence, and as JSON: one form for `replay` and `what-if`."""

from dataclasses import asdict

from app.cli.output import print_table
from app.inquiries import WhatIfAnswer

HEADER = ("policy", "J", "pod-minutes", "pod-minutes short", "overload")


def rows(done: WhatIfAnswer) -> list[tuple[str, ...]]:
    """The table's rows, with the money where a pod-hour has a price."""
    found = []
    for one in done.policies.values():
        cells = (one.name, f"{one.cost:.3f}", f"{one.pod_minutes:,.0f}", f"{one.short_pod_minutes:,.0f}")
        money = () if one.money is None else (f"{one.money:,.2f}",)
        found.append((*cells, f"{one.overload:.2%}", *money))
    return found


def header(done: WhatIfAnswer) -> tuple[str, ...]:
    """Of these rows."""
    return HEADER if done.terms.pod_hour_cost is None else (*HEADER, "money")


def show(done: WhatIfAnswer) -> None:
    """The table and the sentence."""
    print(
        f"{done.history}: {done.scored_minutes:,} minutes scored, lead {done.terms.lead_minutes} min, "
        f"price {done.terms.price:g}, a pod serves {done.capacity_per_pod:.4g}"
    )
    print_table(header(done), rows(done))
    gap = "there is no gap to close" if done.gap_closed is None else f"gap closed: {done.gap_closed:.1%}"
    print(f"{gap}; the forecast acted {done.acting_share:.0%} of the time")
    print(done.sentence + "\n")


def as_json(done: WhatIfAnswer) -> dict[str, object]:
    """For programs; without the curves."""
    return {
        "history": done.history,
        "terms": asdict(done.terms),
        "capacity_per_pod": done.capacity_per_pod,
        "scored_minutes": done.scored_minutes,
        "policies": {key: asdict(one) for key, one in done.policies.items()},
        "gap_closed": done.gap_closed,
        "acting_share": done.acting_share,
        "sentence": done.sentence,
    }
