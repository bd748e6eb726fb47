"""Known events: a factor for each column, given or learned from earlier occurrences of the same event.

How it is used, for one row of a panel:

    expected = what the forecaster says about the history that it was fitted on without the events' columns
    effects  = learn(events, measured=, expected=, cut_s=, ...)
    history  / column_factors(events, effects, ...)     is what the forecaster is fitted on
    forecast * column_factors(events, effects, ...)     is what is expected

so that an event neither leaves a trace in the seasons nor is missed in the forecast. A column holds the mean of the
`step_seconds` before its time, and counts as much as the event covers of them. Overlapping events multiply.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidSeries

MAX_FACTOR = 20.0
MIN_FACTOR = 1 / MAX_FACTOR

_PRIOR_OCCURRENCES = 1.0  # n occurrences count n / (n + 1) of what they show, in logarithms
_KNOWN_SHARE = 0.5  # of an occurrence's columns that must be measured and expected for it to count
_ROUNDS = 3  # of learning each event beside the others


@dataclass(frozen=True)
class EventTimes:
    """Occurrences of one event: int64 (occurrences,), Unix seconds, ends after starts. factor: None if to be learned.

    The effect grows in a straight line over the ramp before the start, and fades over the one after the end.
    """

    name: str
    starts_s: NDArray[np.int64]
    ends_s: NDArray[np.int64]
    ramp_up_seconds: int = 0
    ramp_down_seconds: int = 0
    factor: float | None = None

    def __post_init__(self) -> None:
        if self.starts_s.ndim != 1 or self.starts_s.shape != self.ends_s.shape:
            raise InvalidSeries(f"starts {self.starts_s.shape} and ends {self.ends_s.shape} must be equal 1-d shapes")
        if (self.ends_s <= self.starts_s).any():
            raise InvalidSeries(f"an occurrence of {self.name} ends before it starts")
        if min(self.ramp_up_seconds, self.ramp_down_seconds) < 0:
            raise InvalidSeries(f"ramps of {self.name} must not be negative")
        if self.factor is not None and not MIN_FACTOR <= self.factor <= MAX_FACTOR:
            raise InvalidSeries(f"factor of {self.name} must be within {MIN_FACTOR:g} to {MAX_FACTOR:g}")


@dataclass(frozen=True)
class Effect:
    """factor: what the event multiplies the load by. occurrences: how many it was learned from, 0 for a given one."""

    factor: float
    occurrences: int = 0


def column_factors(
    events: Sequence[EventTimes], effects: Sequence[Effect], *, start_s: int, step_seconds: int, steps: int
) -> NDArray[np.float64]:
    """What the events multiply each column by, within MIN_FACTOR to MAX_FACTOR: float64 (steps,)."""
    product = np.ones(steps)
    for event, effect in zip(events, effects, strict=True):
        present = presence(event, start_s=start_s, step_seconds=step_seconds, steps=steps)
        product *= 1 + (effect.factor - 1) * present
    return np.clip(product, MIN_FACTOR, MAX_FACTOR)


def presence(event: EventTimes, *, start_s: int, step_seconds: int, steps: int) -> NDArray[np.float64]:
    """How much of each column the event covers, 0 to 1, ramps in proportion: float64 (steps,)."""
    covered = np.zeros(steps)
    for index in range(event.starts_s.size):
        columns, weights = _one(event, index, start_s=start_s, step_seconds=step_seconds, steps=steps)
        covered[columns] += weights
    return np.minimum(covered, 1)  # an event is not more present for being listed twice


def learn(
    events: Sequence[EventTimes],
    *,
    start_s: int,
    step_seconds: int,
    measured: NDArray[np.floating],
    expected: NDArray[np.floating],
    cut_s: int,
) -> tuple[Effect, ...]:
    """The effect of each event on one row; a given factor stays. Nothing after `cut_s` counts.

    expected: the load without any event, NaN where unknown. Events that overlap are learned beside each other, each
    from what the others leave; two that always coincide share what they do.
    """
    if measured.ndim != 1 or measured.shape != expected.shape:
        raise InvalidSeries(f"measured {measured.shape} and expected {expected.shape} must be equal 1-d shapes")
    grid = {"start_s": start_s, "step_seconds": step_seconds, "steps": measured.size}
    present = [presence(event, **grid) for event in events]
    effects = [Effect(1.0 if event.factor is None else event.factor) for event in events]
    for _ in range(_ROUNDS):
        for at, event in enumerate(events):
            if event.factor is not None:
                continue
            rest = np.ones(measured.size)
            for other, effect in enumerate(effects):
                if other != at:
                    rest *= 1 + (effect.factor - 1) * present[other]
            base = expected.astype(np.float64) * np.clip(rest, MIN_FACTOR, MAX_FACTOR)
            effects[at] = _learned(event, measured.astype(np.float64), base, cut_s=cut_s, **grid)
    return tuple(effects)


def _learned(
    event: EventTimes,
    measured: NDArray[np.float64],
    base: NDArray[np.float64],
    *,
    cut_s: int,
    start_s: int,
    step_seconds: int,
    steps: int,
) -> Effect:
    """The median of the ended occurrences' ratios, drawn towards 1."""
    logs = []
    for index in np.flatnonzero(event.ends_s + event.ramp_down_seconds <= cut_s):
        columns, weights = _one(event, int(index), start_s=start_s, step_seconds=step_seconds, steps=steps)
        times_s = start_s + np.arange(columns.start, columns.stop) * step_seconds
        weights = np.where(times_s <= cut_s, weights, 0)
        ratio = _ratio(measured[columns], base[columns], weights)
        if not np.isnan(ratio):
            logs.append(np.log(ratio))
    if not logs:
        return Effect(1.0)
    shrunk = len(logs) / (len(logs) + _PRIOR_OCCURRENCES) * float(np.median(logs))
    return Effect(float(np.exp(shrunk)), len(logs))


def _ratio(measured: NDArray[np.float64], base: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """f of measured = base * (1 + (f - 1) * weight), from the sums over one occurrence; NaN if too little is known."""
    known = np.isfinite(measured) & np.isfinite(base)
    if not weights.sum() > 0 or weights[known].sum() < _KNOWN_SHARE * weights.sum():
        return np.nan
    full = float((base * weights)[known].sum())
    if full <= 0:
        return np.nan
    touched = known & (weights > 0)
    extra = float((measured - base)[touched].sum())
    return float(np.clip(1 + extra / full, MIN_FACTOR, MAX_FACTOR))


def _one(
    event: EventTimes, index: int, *, start_s: int, step_seconds: int, steps: int
) -> tuple[slice, NDArray[np.float64]]:
    """The columns that one occurrence touches, and how much it covers of each."""
    start, end = int(event.starts_s[index]), int(event.ends_s[index])
    up, down = event.ramp_up_seconds, event.ramp_down_seconds
    first = np.clip((start - up - start_s) // step_seconds, 0, steps)
    last = np.clip(-((start_s - end - down) // step_seconds) + 1, first, steps)
    edges = (start_s + np.arange(first - 1, last, dtype=np.int64) * step_seconds).astype(np.float64)
    area = np.clip(edges - start, 0, end - start)
    if up:
        area += np.clip(edges - (start - up), 0, up) ** 2 / (2 * up)
    if down:
        past = np.clip(edges - end, 0, down)
        area += past - past**2 / (2 * down)
    return slice(int(first), int(last)), np.diff(area) / step_seconds
