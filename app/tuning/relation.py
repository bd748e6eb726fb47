"""The load that one pod carries well: where latency reaches its knee or what is promised, or CPU what it may reach.

Minutes are gathered into bins of load per pod, a law is fitted to the bins' medians, and blocks of hours are drawn
anew to see how far the answer moves. Thin evidence is refused: few minutes, pods that were always loaded alike, a
latency that follows something else. Nothing is claimed beyond the loads that were seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.tuning.laws import Law, fit_hinge, fit_line, fit_queue
from app.tuning.measured import Confidence, Finding

LEAST_MINUTES = 360  # of steady load; less is one mood of one day
LEAST_SPREAD = 1.5  # 95th over 5th percentile of the load per pod: below that every law fits
LEAST_EXPLAINED = 0.3  # of what the bins differ by, on hours that the fit has not seen
WIDEST = 2.0  # high over low of 90 % of the resampled answers
FLAT = 1.3  # latency of the highest bin over that of the lowest: below that no knee was seen

_BINS = 24
_LEAST_BINS = 6
_IN_A_BIN = 10
_BLOCK_MINUTES = 60
_RESAMPLES = 60
_SEEN = 0.99  # quantile of the load per pod: the most that was carried often enough to say so

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]
_Fit = Callable[[_Floats, _Floats], Law]


@dataclass(frozen=True)
class _Points:
    """Steady minutes: load per pod, what followed it, and the block of time that each belongs to."""

    load: _Floats
    value: _Floats
    block: NDArray[np.int64]

    def part(self, chosen: _Bools) -> "_Points":
        return _Points(self.load[chosen], self.value[chosen], self.block[chosen])


def latency_capacity(
    load: _Floats, latency_s: _Floats, *, promised_s: float | None, rng: np.random.Generator
) -> Finding:
    """Load per pod at which latency is what is promised, or else at its knee. load, latency_s: (minutes,) with NaN."""
    points = _steady(load, latency_s)
    if refusal := _thin(points):
        return _refused("latency", refusal)
    _, medians = _binned(points)
    law = _better(points, (fit_queue, fit_hinge))
    goal = "the knee" if promised_s is None else f"{promised_s:g} s"

    def answer(one: Law) -> float:
        return one.knee if promised_s is None else one.load_at(promised_s)

    seen = float(np.quantile(points.load, _SEEN))
    told = f"{points.load.size:,} steady minutes, {points.load.min():.3g} to {points.load.max():.3g} a pod"
    if promised_s is not None and float(np.median(medians[:3])) > promised_s:
        return _refused("latency", f"{told}: latency is above {goal} at the least load already; load is not why")
    if float(medians.max() / medians.min()) < FLAT or answer(law) > seen:
        carried = _carried(seen, points, promised_s)
        return Finding(
            "capacityPerPod", carried, Confidence.AT_LEAST, f"{told}: latency did not reach {goal} at any of them"
        )
    return _judged("latency", points, law, answer, f"{told}: {law.name} law reaches {goal} at {answer(law):.4g}", rng)


def utilisation_capacity(load: _Floats, utilisation: _Floats, *, goal: float, rng: np.random.Generator) -> Finding:
    """Load per pod at which CPU reaches the goal, a share of the request."""
    points = _steady(load, utilisation)
    if refusal := _thin(points):
        return _refused("utilisation", refusal)
    law = fit_line(*_binned(points))

    def answer(one: Law) -> float:
        return one.load_at(goal)

    told = f"{points.load.size:,} steady minutes, {points.load.min():.3g} to {points.load.max():.3g} a pod"
    if law.each <= 0:
        return _refused("utilisation", f"{told}: CPU does not rise with the load")
    seen = float(np.quantile(points.load, _SEEN))
    text = f"{told}: {law.idle:.0%} of the request idle, {law.each:.2%} for each unit, {goal:.0%} at {answer(law):.4g}"
    if answer(law) > seen:
        return Finding("capacityPerPod", seen, Confidence.AT_LEAST, f"{text}; beyond {seen:.4g} nothing was seen")
    return _judged("utilisation", points, law, answer, text, rng)


def _judged(
    what: str, points: _Points, law: Law, answer: Callable[[Law], float], text: str, rng: np.random.Generator
) -> Finding:
    """Refused where hours that were not fitted do not follow the law, or the answer moves with the hours drawn."""
    fits: Mapping[str, _Fit] = {"queue": fit_queue, "hinge": fit_hinge, "line": fit_line}
    fit = fits[law.name]
    explained = _explained(points, fit)
    if explained < LEAST_EXPLAINED:
        return _refused(what, f"{text}; but load explains {max(explained, 0):.0%} of it on other hours: look elsewhere")
    found = np.asarray([answer(fit(*_binned(one))) for one in _resampled(points, rng)])
    found = np.minimum(found, points.load.max())  # beyond that nothing was seen
    low, high = (float(one) for one in np.quantile(found, (0.05, 0.95))) if found.size else (0.0, np.inf)
    if not low > 0 or high / low > WIDEST:
        return _refused(what, f"{text}; but other hours would say {low:.3g} to {high:.3g}: more of them are needed")
    evidence = f"{text}; load explains {explained:.0%} on hours that were not fitted"
    return Finding("capacityPerPod", answer(law), Confidence.MEASURED, evidence, low, high)


def _refused(what: str, text: str) -> Finding:
    return Finding("capacityPerPod", None, Confidence.REFUSED, f"by {what}: {text}")


def _steady(load: _Floats, value: _Floats) -> _Points:
    good = np.isfinite(load) & np.isfinite(value) & (load > 0) & (value > 0)
    return _Points(load[good], value[good], np.flatnonzero(good) // _BLOCK_MINUTES)


def _thin(points: _Points) -> str | None:
    if points.load.size < LEAST_MINUTES:
        return f"{points.load.size} steady minutes with all of demand, pods and this; {LEAST_MINUTES} are needed"
    low, high = np.quantile(points.load, (0.05, 0.95))
    if high < LEAST_SPREAD * low:
        return (
            f"pods carried between {low:.3g} and {high:.3g} nearly always, too alike to see what load does; "
            "run fewer pods for some hours, or load them on purpose"
        )
    return None if _binned(points)[0].size >= _LEAST_BINS else "too few different loads"


def _binned(points: _Points) -> tuple[_Floats, _Floats]:
    """Medians of load and value in bins of equal width, so that rare high loads count as much as usual ones."""
    edges = np.linspace(points.load.min(), np.quantile(points.load, 0.999), _BINS + 1)
    place = np.clip(np.digitize(points.load, edges) - 1, 0, _BINS - 1)
    kept = [place == one for one in range(_BINS)]
    kept = [one for one in kept if one.sum() >= _IN_A_BIN]
    centres = np.asarray([float(np.median(points.load[one])) for one in kept])
    return centres, np.asarray([float(np.median(points.value[one])) for one in kept])


def _better(points: _Points, fits: Sequence[_Fit]) -> Law:
    """The law that errs less on the other half of the hours, fitted on all."""
    return max(fits, key=lambda one: _explained(points, one))(*_binned(points))


def _explained(points: _Points, fit: _Fit) -> float:
    """Share of the bins' differences, in logarithms, that a fit on every other block foresees for the rest."""
    odd = points.block % 2 == 1
    found = []
    for chosen in (odd, ~odd):
        fitted, rest = points.part(chosen), points.part(~chosen)
        if min(fitted.load.size, rest.load.size) < LEAST_MINUTES // 4:
            continue
        centres, medians = _binned(rest)
        seen, values = _binned(fitted)
        if min(centres.size, seen.size) < 3:
            continue
        foreseen = np.maximum(fit(seen, values).at(centres), 1e-12)
        missed = ((np.log(foreseen) - np.log(medians)) ** 2).sum()
        differs = ((np.log(medians) - np.log(medians).mean()) ** 2).sum()
        found.append(1 - float(missed / max(differs, 1e-12)))
    return float(np.mean(found)) if found else -np.inf


def _resampled(points: _Points, rng: np.random.Generator) -> list[_Points]:
    """Blocks drawn with replacement: minutes beside each other are not independent."""
    order = np.argsort(points.block, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(points.block[order])) + 1)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([blocks[one] for one in rng.integers(0, len(blocks), len(blocks))])
        part = _Points(points.load[chosen], points.value[chosen], points.block[chosen])
        if _binned(part)[0].size >= _LEAST_BINS:
            drawn.append(part)
    return drawn


def _carried(seen: float, points: _Points, promised_s: float | None) -> float:
    """The most that was carried; with a promise only as far as it was kept."""
    if promised_s is None:
        return seen
    centres, medians = _binned(points)
    broken = centres[medians > promised_s]
    return min(seen, float(broken.min())) if broken.size else seen
