"""How good a workload's forecast was on the last days: the replay behind the verdict, day by day."""

import math

import numpy as np

from app.serving.rest.explanation import utc
from app.serving.rest.schemas import Day, Number, Quality
from app.snapshot import QUALITY, Snapshot, number_or_none, row_view

_DAY_SECONDS = 86_400


def quality_of(snapshot: Snapshot, row: int, *, now: float) -> Quality:
    """Of the days that the last fit replayed; days without any measured time are left out."""
    view = row_view(snapshot, row, now=now)
    price = view.price
    judged_s = float(snapshot.judged_s[row])
    table = snapshot.quality[row].astype(np.float64)
    days = [
        _day(table[:, place], judged_s - (table.shape[1] - 1 - place) * _DAY_SECONDS, price)
        for place in range(table.shape[1])
        if table[QUALITY.index("seconds"), place] > 0
    ]
    return Quality(
        namespace=view.forecast.namespace,
        name=view.forecast.name,
        level=view.level,
        coverage=view.coverage,
        skill=view.skill,
        reactive_cost=view.reactive_cost,
        forecast_cost=view.forecast_cost,
        missing_pod_price=price,
        trusted=view.skill is not None and view.skill > 0 and view.reason != "ReactingIsCheaper",
        text=_text(days, view.coverage, view.level),
        days=days,
    )


def _day(column: "np.ndarray[tuple[int], np.dtype[np.float64]]", end_s: float, price: float) -> Day:
    found = dict(zip(QUALITY, column.tolist(), strict=True))
    reactive, forecast = found["reactive_cost"], found["forecast_cost"]
    return Day(
        end=utc(end_s) or utc(0),
        hours=_rounded(found["seconds"] / 3600),
        reactive_pod_minutes=_rounded(reactive - price * found["reactive_short"]),
        reactive_short_pod_minutes=_rounded(found["reactive_short"]),
        forecast_pod_minutes=_rounded(forecast - price * found["forecast_short"]),
        forecast_short_pod_minutes=_rounded(found["forecast_short"]),
        skill=_rounded(1 - forecast / reactive) if reactive > 0 else None,
        coverage=_rounded(found["coverage"]),
    )


def _rounded(value: float) -> Number:
    return number_or_none(round(value, 4)) if math.isfinite(value) else None


def _text(days: list[Day], coverage: Number, level: Number) -> str:
    if not days:
        return "Nothing has been replayed yet: too little history, or no fit so far."
    saved = sum((one.reactive_pod_minutes or 0) - (one.forecast_pod_minutes or 0) for one in days)
    short = sum((one.reactive_short_pod_minutes or 0) - (one.forecast_short_pod_minutes or 0) for one in days)
    text = (
        f"Over {len(days)} replayed days acting would have taken {abs(saved):,.0f} pod-minutes "
        f"{'fewer' if saved >= 0 else 'more'} than reacting on the newest number, and been short for {abs(short):,.0f} "
        f"pod-minutes {'fewer' if short >= 0 else 'more'}."
    )
    if coverage is not None and level is not None:
        text += f" Its limit held in {coverage:.1%} of all windows; {level:.1%} was the aim."
    return text
