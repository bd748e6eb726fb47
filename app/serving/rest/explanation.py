"""The served number in plain words: one sentence a step, and one for each reason there is."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from app.reasons import Reason
from app.serving.rest.schemas import (
    BoundsPart,
    CalendarPart,
    DemandPart,
    DropPart,
    Explanation,
    LeadPart,
    ObjectivePart,
    RequiredPart,
    ServedPart,
    SizesPart,
    TrustPart,
    Voice,
    VoicesPart,
)
from app.snapshot import RowView, Snapshot, number_or_none
from app.workloads.quantity import quantity

SENTENCES: Mapping[Reason, str] = {
    Reason.FORECAST_ACTS: "The forecast is served: more is expected than the demand that lasts.",
    Reason.DEMAND_ABOVE_FORECAST: "The forecast is trusted, but the demand that lasts is higher: that is served.",
    Reason.REACTING_IS_CHEAPER: "The measured demand is served: on the held-out days the forecast did not pay.",
    Reason.SHADOW: "The measured demand is served: mode Shadow forecasts without acting.",
    Reason.LEARNING: "The measured demand is served: there is not enough history yet to judge a forecast.",
    Reason.HOLDING_AFTER_DROP: "Demand fell and no forecast foresaw it: the last minutes' peak is held for a while.",
    Reason.NOTHING_EXPECTED: "0 is served: nothing is waiting, and no work is expected until a new pod would be up.",
    Reason.WORK_EXPECTED: "One pod is asked for: nothing is waiting yet, but work is expected before one would be up.",
    Reason.NO_DATA: "Nothing is served: the query returns no series for this workload.",
    Reason.AMBIGUOUS_QUERY: "Nothing is served: the query returns several series; aggregate it or set seriesLabels.",
    Reason.QUERY_REJECTED: "Nothing is served: the store rejects the query.",
    Reason.SOURCE_UNAVAILABLE: "Nothing is served: the store of histories does not answer, or only in part.",
    Reason.INVALID_NUMBER: "Nothing is served: the query returns NaN, an infinite or a negative number.",
    Reason.STALE: "Nothing is served: the newest sample is too old.",
    Reason.STARTING: "Nothing is served: no forecast has been made yet.",
}

GIVEN = "Given"  # origin of a past lead that the question brings along


def sentence(reason: str) -> str:
    """The reason in plain words; an unknown one (of a newer writer) as it is."""
    try:
        return SENTENCES[Reason(reason)]
    except (ValueError, KeyError):
        return f"Reason: {reason}."


def utc(seconds: float | None) -> datetime | None:
    """Unix seconds as a time; None and NaN have none."""
    return None if seconds is None or not math.isfinite(seconds) else datetime.fromtimestamp(seconds, UTC)


def explain(snapshot: Snapshot, view: RowView, *, recomputed: bool = False) -> Explanation:
    """Every step from the measured demand to the served number, in the order of computation.

    recomputed: the snapshot is that of a past time.
    """
    return Explanation(
        namespace=view.forecast.namespace,
        name=view.forecast.name,
        cut=datetime.fromtimestamp(snapshot.cut_s, UTC),
        recomputed=recomputed,
        demand=_demand(view),
        lead=_lead(snapshot, view),
        objective=_objective(view),
        voices=_voices(view),
        calendar=_calendar(view),
        required=_required(snapshot, view),
        trust=_trust(view),
        drop=_drop(view),
        sizes=_sizes(view),
        bounds=_bounds(view),
        served=_served(view),
    )


def _demand(view: RowView) -> DemandPart:
    spec = view.forecast.spec.demand
    text = "No demand is measured."
    if view.demand is not None and view.age_seconds is not None:
        text = f"{view.demand:.4g} {spec.unit} were measured {view.age_seconds:.0f} s ago."
    return DemandPart(
        text=text,
        value=view.demand,
        unit=spec.unit,
        query=spec.query,
        time=utc(view.data_s),
        age_seconds=view.age_seconds,
    )


def _lead(snapshot: Snapshot, view: RowView) -> LeadPart:
    origins = {
        "Measured": "as measured on its pods",
        "Floor": "the floor that its LoadForecast sets; its pods were faster",
        "Fallback": "the fallback of its LoadForecast, until pods have been measured",
        GIVEN: "as whoever asks says it was then",
    }
    window = view.lead_seconds + snapshot.refresh_seconds
    return LeadPart(
        text=f"A new pod needs {view.lead_seconds} s ({origins.get(view.lead_origin, view.lead_origin)}), "
        f"and the next number comes {snapshot.refresh_seconds} s later: the next {window} s count.",
        seconds=view.lead_seconds,
        origin=view.lead_origin,
        window_seconds=window,
    )


def _objective(view: RowView) -> ObjectivePart:
    price = view.price
    share = "unknown" if view.level is None else f"{view.level:.1%}"
    return ObjectivePart(
        text=f"A missing pod-minute costs as much as {price:.4g} idle ones, so capacity has to suffice in {share} "
        "of all cases.",
        missing_pod_price=price,
        level=view.level,
        capacity_per_pod=view.forecast.spec.capacity_per_pod,
    )


def _voices(view: RowView) -> VoicesPart:
    unit = view.forecast.spec.demand.unit
    voices = [Voice(candidate=one.candidate, share=one.share, value=one.value) for one in view.voices]
    told = [
        f"{one.candidate} would provide for {one.value:.4g} {unit} ({one.share:.0%})"
        for one in view.voices
        if one.value is not None
    ]
    text = f"The loudest of the candidates: {', '.join(told)}." if told else "No candidate has a say yet."
    return VoicesPart(text=text, voices=voices)


def _calendar(view: RowView) -> CalendarPart:
    if view.calendar is None or view.calendar == 1:
        return CalendarPart(text="No known event lies within that time.", factor=view.calendar)
    return CalendarPart(text=f"Known events multiply that by {view.calendar:.3g}.", factor=view.calendar)


def _drop(view: RowView) -> DropPart:
    if view.reason == Reason.HOLDING_AFTER_DROP:
        return DropPart(text="Demand fell far and unforeseen; the recent peak is held for some minutes.", holding=True)
    return DropPart(text="No unforeseen drop is being waited out.", holding=False)


def _required(snapshot: Snapshot, view: RowView) -> RequiredPart:
    text = "There is no forecast: too little history, or no fit yet."
    if view.required is not None:
        window = view.lead_seconds + snapshot.refresh_seconds
        unit = view.forecast.spec.demand.unit
        often = "that often" if view.level is None else f"in {view.level:.1%} of all cases"
        text = f"The largest demand of the next {window} s is expected below {view.required:.4g} {unit} {often}."
        if view.coverage is not None:
            text += f" On held-out days such a number sufficed in {view.coverage:.1%}."
    return RequiredPart(text=text, value=view.required, coverage=view.coverage)


def _trust(view: RowView) -> TrustPart:
    text = "There is no verdict yet: the replay needs more history."
    if view.reactive_cost is not None and view.forecast_cost is not None and view.skill is not None:
        better = "cheaper" if view.skill > 0 else "dearer"
        text = (
            f"Replayed on held-out days, acting would have cost {view.forecast_cost:,.0f} idle pod-minutes and "
            f"reacting {view.reactive_cost:,.0f}: acting is {abs(view.skill):.1%} {better}."
        )
    return TrustPart(
        text=f"{text} Mode {view.forecast.spec.mode}.",
        mode=view.forecast.spec.mode,
        acting=view.acting,
        reactive_cost=view.reactive_cost,
        forecast_cost=view.forecast_cost,
        skill=view.skill,
    )


def _sizes(view: RowView) -> SizesPart:
    spec = view.forecast.spec
    nothing = dict.fromkeys(("load", "asked", "pods", "carry", "newest", "largest"))
    if spec.capacity_scaling is None:
        return SizesPart(text="All pods count as capacityPerPod says.", **nothing)
    what = f"{spec.capacity_scaling.resource} of container {spec.capacity_scaling.container}"
    if view.sized is None:
        text = f"No pod of the target requests {what}, so all pods count as capacityPerPod says."
        return SizesPart(text=text, **nothing)
    sizes, load, asked = view.sized.sizes, number_or_none(view.sized.load), number_or_none(view.sized.asked)
    text = (
        f"By {what}, {sizes.pods} pods carry as much as {sizes.carry:.4g} of the reference size, and further ones "
        f"{sizes.newest:.3g} each."
    )
    if load is not None and asked is not None:
        text += (
            f" {load:.4g} {spec.demand.unit} take {asked / spec.capacity_per_pod:.4g} pods, asked for as {asked:.4g}."
        )
    return SizesPart(
        text=text,
        load=load,
        asked=asked,
        pods=sizes.pods,
        carry=sizes.carry,
        newest=sizes.newest,
        largest=sizes.largest,
    )


def _bounds(view: RowView) -> BoundsPart:
    bounds = view.forecast.spec.bounds
    upper = "no maximum" if bounds.maximum is None else f"at most {bounds.maximum:.4g}"
    binding = None
    if view.served is not None and bounds.maximum is not None and view.served >= bounds.maximum:
        binding = "maximum"
    elif view.served is not None and 0 < view.served <= bounds.minimum:
        binding = "minimum"
    return BoundsPart(
        text=f"Limits: at least {bounds.minimum:.4g}, {upper}" + (f"; the {binding} is served." if binding else "."),
        minimum=bounds.minimum,
        maximum=bounds.maximum,
        binding=binding,
    )


def _served(view: RowView) -> ServedPart:
    return ServedPart(
        text=sentence(view.reason) + (f" ({view.note})" if view.note else ""),
        value=view.served,
        quantity=None if view.served is None else quantity(view.served),
        reason=view.reason,
        note=view.note,
    )
