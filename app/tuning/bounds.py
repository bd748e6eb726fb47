"""Lead, least and most pods, and what a missing pod is worth, as far as a history tells."""

import numpy as np
from numpy.typing import NDArray

from app.tuning.measured import Confidence, Finding, Measured
from app.tuning.search import WORTH_A_CHANGE, Candidate, Load

LEAST_STARTUPS = 10
LEAST_DAYS = 14  # of peaks, before a rarer one is read off them
RARE_DAYS = 100  # the peak that is passed once in so many days
HEAD_ROOM = 2.0  # over the largest peak, where too few days were seen
CAPPED_MINUTES = 30  # of all pods at the largest number ever: it was a bound, and what lay above is unknown

_EULER = 0.5772156649015329
_Floats = NDArray[np.float64]


def lead(startups_s: _Floats | None, *, otherwise_s: int) -> Finding:
    """Seconds from being created to being Ready that nine of ten pods need."""
    found = np.asarray([]) if startups_s is None else startups_s[np.isfinite(startups_s) & (startups_s >= 0)]
    if found.size < LEAST_STARTUPS:
        text = f"{found.size} start-ups measured, {LEAST_STARTUPS} are needed; the service measures it once it runs"
        return Finding("leadSeconds", float(otherwise_s), Confidence.ASSUMED, text)
    half, most = np.quantile(found, (0.5, 0.9))
    text = f"{found.size:,} start-ups: half within {half:.0f} s, nine of ten within {most:.0f} s"
    return Finding("leadSeconds", float(np.ceil(most)), Confidence.MEASURED, text)


def least_pods(candidates: list[Candidate], *, floor: int) -> Finding:
    """The type's floor, unless more pods pay on both parts. candidates: as search.floors gives them, floor first."""
    own = candidates[0]
    better = [
        one
        for one in candidates[1:]
        if all(getattr(one, part).cost < (1 - WORTH_A_CHANGE) * getattr(own, part).cost for part in ("first", "rest"))
    ]
    told = ", ".join(f"{one.name}: {one.first.cost:.3f} then {one.rest.cost:.3f}" for one in candidates)
    if not better:
        return Finding("minReplicas", float(floor), Confidence.ASSUMED, f"the type's; more do not pay (cost {told})")
    best = min(better, key=lambda one: one.first.cost)
    text = f"cheaper than the type's {floor} on both parts (cost {told})"
    return Finding("minReplicas", float(best.behaviour.min_pods), Confidence.MEASURED, text)


def most_pods(measured: Measured, capacity_per_pod: float, *, spare: float) -> Finding:
    """For a peak of once in RARE_DAYS (Gumbel's law on the days' peaks, by moments), times what the HPA asks beyond
    the need. spare: asked over needed where the replay's need was largest."""
    peaks = _daily_peaks(measured.demand) / capacity_per_pod
    largest = float(peaks.max())
    capped = _capped(measured)
    note = (
        f"; but pods stood at {capped:.0f}, their most, for {CAPPED_MINUTES} min: demand above is unknown"
        if capped
        else ""
    )
    if peaks.size < LEAST_DAYS:
        text = (
            f"{HEAD_ROOM:g} times the largest need, {largest:.1f} pods: {peaks.size} days of {LEAST_DAYS} needed{note}"
        )
        return Finding("maxReplicas", float(np.ceil(HEAD_ROOM * largest * spare)), Confidence.ASSUMED, text)
    scale = float(peaks.std(ddof=1)) * np.sqrt(6) / np.pi
    rare = float(peaks.mean()) - _EULER * scale - scale * np.log(-np.log(1 - 1 / RARE_DAYS))
    reached = max(rare, largest)
    text = (
        f"{peaks.size} days' peaks, largest {largest:.1f} pods; once in {RARE_DAYS} days {rare:.1f} by Gumbel's law; "
        f"the HPA asks {spare:.2f} times the need{note}"
    )
    confidence = Confidence.AT_LEAST if capped else Confidence.MEASURED
    return Finding("maxReplicas", float(np.ceil(reached * spare)), confidence, text)


def price(load: Load, *, given: float | None, of_type: float) -> Finding:
    """What a missing pod-minute is worth; a history cannot say it, only what today's pods imply."""
    implied = "what ran is not known, so neither is what it implies"
    if load.today is not None:
        known = np.isfinite(load.today)
        share = float((load.needed[known] > load.today[known] + 1e-9).mean()) if known.any() else float("nan")
        worth = f"{(1 - share) / share:.3g}" if share > 0 else f"more than {known.sum():,}"
        implied = f"too few pods ran in {share:.2%} of the minutes, which prices a missing one at {worth}"
    if given is not None:
        return Finding("missingPodPrice", given, Confidence.ASSUMED, f"yours; {implied}")
    return Finding("missingPodPrice", of_type, Confidence.ASSUMED, f"the type's: a history cannot say it; {implied}")


def _daily_peaks(demand: _Floats) -> _Floats:
    """Largest number of each whole day, counted from the end; of what is shorter than a day, that."""
    day = 1_440
    if demand.size < day:
        return np.asarray([demand.max()])
    whole = demand[demand.size % day :].reshape(-1, day)
    found: _Floats = whole.max(axis=1)
    return found


def _capped(measured: Measured) -> float | None:
    """The largest number of pods, if it was held while load per pod was at its highest too."""
    if measured.pods is None or not np.isfinite(measured.pods).any():
        return None
    most = float(np.nanmax(measured.pods))
    each = measured.load_per_pod()
    if not np.isfinite(each).any() or most <= float(np.nanmin(measured.pods)):
        return None
    hot = (measured.pods == most) & (each >= np.nanquantile(each, 0.95))
    return most if hot.sum() >= CAPPED_MINUTES else None
