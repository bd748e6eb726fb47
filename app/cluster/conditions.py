"""What the status of a LoadForecast says: fields and conditions as a pure function of a row, the book and the time."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from app.reasons import Reason
from app.snapshot import RowView
from app.telemetry import shortened
from app.workloads.book import LeadTime, PodSizes
from app.workloads.quantity import LARGEST, quantity

Status = dict[str, Any]


class ConditionReason(StrEnum):
    """Reasons that only conditions have, beside Reason."""

    INVALID = "Invalid"  # the spec cannot be used; the message says what to change
    DATA_IS_FRESH = "DataIsFresh"  # the newest sample is younger than the limit


_SENTENCES: Mapping[str, str] = {
    Reason.FORECAST_ACTS: "The forecast is above the demand that lasts, and is served.",
    Reason.DEMAND_ABOVE_FORECAST: "The forecast is trusted, but the demand that lasts is higher; it is served.",
    Reason.REACTING_IS_CHEAPER: "Measured demand is served: the forecast did not pay in the replay of the last days.",
    Reason.SHADOW: "Measured demand is served because mode is Shadow; skill and coverage say what Active would do.",
    Reason.LEARNING: "Measured demand is served until there is history enough for a forecast and a verdict on it.",
    Reason.HOLDING_AFTER_DROP: "Demand fell in a way no forecast expected; capacity is kept for a while.",
    Reason.NOTHING_EXPECTED: "Nothing is waiting and no work is expected until a new pod would be up; 0 is served.",
    Reason.WORK_EXPECTED: "Work is expected before a new pod would be up; one is asked for.",
    Reason.NO_DATA: "The query returns nothing for this workload; check demand.query and demand.seriesLabels.",
    Reason.AMBIGUOUS_QUERY: "The query returns several series; make demand.seriesLabels pick one.",
    Reason.QUERY_REJECTED: "The metrics store rejects demand.query.",
    Reason.SOURCE_UNAVAILABLE: "The metrics store does not answer.",
    Reason.INVALID_NUMBER: "The query returns NaN, an infinity or a negative number.",
    Reason.STALE: "The newest sample is too old.",
    Reason.STARTING: "No pass has been made yet.",
}
_HELD = " No value is served, so the HPA does not scale in."


def served_status(
    view: RowView,
    *,
    cut_s: int,
    staleness_seconds: float,
    lead: LeadTime,
    price: float | None = None,
    sizes: PodSizes | None = None,
    node_lead: LeadTime | None = None,
) -> Status:
    """Status of a LoadForecast that has a row. None stands for a field that must go.

    price: of a missing pod-minute by what pools cost; None: the LoadForecast says it without them. node_lead: None
    where no room on nodes is provided.
    """
    generation = view.forecast.generation
    return {
        "observedGeneration": generation,
        **_lead_fields(lead),
        "podSizes": _size_fields(sizes),
        "servedValue": _quantity(view.served),
        "demandValue": _quantity(view.demand),
        "requiredValue": _quantity(view.required),
        "coverage": _decimal(view.coverage),
        "skill": _decimal(view.skill),
        "missingPodPrice": _quantity(price),
        "lastForecastTime": rfc3339(cut_s),
        "nodes": _nodes(view, node_lead),
        "conditions": [
            _ready(view, generation),
            _fresh(view, generation, staleness_seconds),
            _condition("Acting", view.acting, view.reason, _SENTENCES.get(view.reason, view.reason), generation),
        ],
    }


def waiting_status(*, generation: int, lead: LeadTime) -> Status:
    """Status of a LoadForecast that no pass has seen yet."""
    text = _SENTENCES[Reason.STARTING]
    conditions = [_condition(kind, None, Reason.STARTING, text, generation) for kind in ("Ready", "Fresh", "Acting")]
    return {"observedGeneration": generation, **_lead_fields(lead), "conditions": conditions}


def rejected_status(text: str, *, generation: int) -> Status:
    """Status of a LoadForecast that cannot be used. The lead stays: it is still true of the target."""
    conditions = [
        _condition("Ready", False, ConditionReason.INVALID, text + _HELD, generation),
        _condition("Fresh", None, ConditionReason.INVALID, "Nothing is queried for an invalid spec.", generation),
        _condition("Acting", False, ConditionReason.INVALID, "Nothing is forecast for an invalid spec.", generation),
    ]
    values = dict.fromkeys(("servedValue", "demandValue", "requiredValue", "coverage", "skill"))
    return {"observedGeneration": generation, **values, "conditions": conditions}


def with_transition_times(status: Status, before: Mapping[str, Any], *, now: float) -> Status:
    """Adds lastTransitionTime: the one in `before` where a condition's status has not changed, else `now`."""
    known = {one.get("type"): one for one in before.get("conditions") or []}
    conditions = []
    for condition in status["conditions"]:
        old = known.get(condition["type"]) or {}
        kept = old.get("lastTransitionTime") if old.get("status") == condition["status"] else None
        conditions.append({**condition, "lastTransitionTime": kept or rfc3339(now)})
    return {**status, "conditions": conditions}


def signature(status: Mapping[str, Any]) -> tuple[object, ...]:
    """What makes a status worth writing at once; numbers that move with every sample are not part of it."""
    conditions = [(one.get("type"), one.get("status"), one.get("reason")) for one in status.get("conditions") or []]
    return (
        status.get("observedGeneration"),
        status.get("leadSeconds"),
        status.get("leadOrigin"),
        status.get("missingPodPrice"),
        (status.get("nodes") or {}).get("leadSeconds"),
        status.get("servedValue") is None,
        told_sizes(sizes_in(status)),
        *sorted(conditions, key=str),
    )


def sizes_in(status: Mapping[str, Any]) -> PodSizes | None:
    """The sizes written in a status, or None if there are none that can be used."""
    written = status.get("podSizes") or {}
    try:
        sizes = PodSizes(int(written["pods"]), *(float(written[name]) for name in ("carry", "newest", "largest")))
    except (KeyError, TypeError, ValueError):
        return None
    usable = all(math.isfinite(one) for one in (sizes.carry, sizes.newest, sizes.largest))
    return sizes if usable and sizes.pods >= 0 and sizes.carry >= 0 and 0 < sizes.newest <= sizes.largest else None


def told_sizes(sizes: PodSizes | None) -> tuple[float, ...]:
    """What of them is worth writing at once: how many pods there are is not, where all have one size."""
    if sizes is None:
        return ()
    return (sizes.newest,) if sizes.alike else (sizes.pods, sizes.carry, sizes.newest, sizes.largest)


def rfc3339(unix_s: float) -> str:
    """Unix seconds as Kubernetes writes times: UTC, whole seconds."""
    return datetime.fromtimestamp(int(unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ready(view: RowView, generation: int) -> dict[str, Any]:
    text = _SENTENCES.get(view.reason, view.reason)
    if view.served is None:
        text += _HELD
    if view.note:
        text += f" {shortened(view.note)}"
    return _condition("Ready", view.served is not None, view.reason, text, generation)


def _fresh(view: RowView, generation: int, staleness_seconds: float) -> dict[str, Any]:
    """Says the sample's time, not its age: a message that changes with every second would be written every second."""
    limit = f"{staleness_seconds:g} s"
    if view.data_s is None or view.age_seconds is None:
        text = _SENTENCES.get(view.reason, "There is no sample yet.")
        return _condition("Fresh", False, view.reason if view.served is None else Reason.NO_DATA, text, generation)
    if view.age_seconds <= staleness_seconds:
        text = f"The newest sample is younger than {limit}."
        return _condition("Fresh", True, ConditionReason.DATA_IS_FRESH, text, generation)
    text = f"The newest sample is of {rfc3339(view.data_s)}, more than {limit} ago."
    return _condition("Fresh", False, view.reason, text, generation)


def _condition(kind: str, holds: bool | None, reason: str, message: str, generation: int) -> dict[str, Any]:
    return {
        "type": kind,
        "status": {True: "True", False: "False", None: "Unknown"}[holds],
        "reason": str(reason),
        "message": shortened(message, 1024),
        "observedGeneration": generation,
    }


def _size_fields(sizes: PodSizes | None) -> Status | None:
    if sizes is None:
        return None
    factors = {name: _decimal(getattr(sizes, name)) for name in ("carry", "newest", "largest")}
    return {"pods": sizes.pods, **factors}


def _lead_fields(lead: LeadTime) -> Status:
    return {"leadSeconds": lead.seconds, "leadOrigin": lead.origin, "leadSamples": lead.samples}


def _nodes(view: RowView, lead: LeadTime | None) -> Status | None:
    if lead is None:
        return None
    return {
        "provisioning": view.forecast.spec.nodes.provisioning,
        **_lead_fields(lead),
        "podsAhead": _whole(view.pods_ahead),
        "headroomPods": _whole(view.headroom),
    }


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None else None


def _quantity(value: float | None) -> str | None:
    return quantity(value) if value is not None and 0 <= value <= LARGEST else None


def _decimal(value: float | None) -> str | None:
    return f"{value:.3f}" if value is not None else None
