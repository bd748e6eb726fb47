"""What each policy cost on one recorded load: ours, ways of reacting, a perfect forecast, other forecasters.

Every history is replayed minute by minute through the HPA's law (tolerance 0, scaling in held for 5 minutes), the
second half is scored. `gap closed`: 0 is the best reactive policy, chosen in hindsight, 1 a perfect forecast. The
others ask for a quantile of their own forecast's maximum over the lead, or for what they say, times a margin that is
chosen in hindsight among a few: an advantage that the forecast of this project does not get.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.pipeline.rehearsal import RehearsalOptions, rehearse
from app.planning.score import Comparison, Score, compare, score
from app.sources.history_file import HistoryFile, read_history
from benchmarks.agreement import PRICE, disagreement, scored
from benchmarks.calibration import Coverage, coverage, relative_wql
from benchmarks.rivals import RIVALS

LEVELS = (0.95, 0.99)
HORIZONS = (60, 360)
OURS = "this project"

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A policy on a trace with a lead. seconds: that its capacities took. covered: at each of LEVELS; losses: at each
    of HORIZONS, over repeating yesterday; both of this project only."""

    trace: str
    lead: int
    policy: str
    gap_closed: float
    found: Score
    seconds: float = 0.0
    covered: tuple[Coverage, ...] = ()
    losses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A trace's lines. apart: largest difference from the independent tool's figures, NaN where none was given."""

    trace: str
    lines: tuple[Line, ...]
    apart: float = float("nan")


def trace_name(path: Path) -> str:
    """Without endings."""
    return path.name.removesuffix(".gz").removesuffix(".csv")


def measure(path: Path, leads: Sequence[int], rivals: Sequence[str], tool: Path | None = None) -> Measured:
    """All policies on one history with each lead."""
    file = read_history(path)
    half = file.demand.size // 2
    losses = tuple(relative_wql(file, half=half, horizon=minutes) for minutes in HORIZONS)
    lines: list[Line] = []
    compared: dict[int, Comparison] = {}
    apart = float("nan")
    for lead in leads:
        compared[lead], own = _ours(file, path, lead, losses)
        lines += own
        if tool is not None:
            apart = float(np.fmax(apart, disagreement(tool, path, file, lead=lead, found=compared[lead])))
    for rival in rivals:
        lines += _rival(file, path, rival, compared)
    lines.sort(key=lambda one: leads.index(one.lead))  # stable
    return Measured(trace_name(path), tuple(lines), apart)


def _ours(file: HistoryFile, path: Path, lead: int, losses: tuple[float, ...]) -> tuple[Comparison, list[Line]]:
    half, setting = scored(file, lead)
    began = time.perf_counter()
    options = RehearsalOptions(lead, 1, PRICE, setting.capacity_per_pod, file.delay_minutes)
    ours = rehearse(file.known, options, on_progress=lambda share: None)
    seconds = time.perf_counter() - began
    found = compare(ours.capacity[half:], setting, before=file.demand[:half])
    covered = tuple(coverage(file, ours.wanted, half=half, lead=lead, level=level) for level in LEVELS)
    name = trace_name(path)
    return found, [
        Line(name, lead, OURS, found.gap_closed, found.forecast, seconds, covered, losses),
        Line(name, lead, "best reactive in hindsight", 0.0, found.reactive),
        Line(name, lead, "HPA at 70%", found.closed_by(found.hpa), found.hpa),
        Line(name, lead, "perfect forecast", 1.0, found.perfect),
    ]


def _rival(file: HistoryFile, path: Path, rival: str, compared: Mapping[int, Comparison]) -> list[Line]:
    """With each lead; the seconds are those of all leads, shared out."""
    half = file.demand.size // 2
    began = time.perf_counter()
    offered = list(RIVALS[rival](file, half, tuple(compared)))
    seconds = (time.perf_counter() - began) / len(compared)
    lines = []
    for (lead, found), rows in zip(compared.items(), offered, strict=True):
        setting = scored(file, lead)[1]
        best = min((score(one, setting) for one in rows), key=lambda one: one.cost)
        lines.append(Line(trace_name(path), lead, rival, found.closed_by(best), best, seconds))
    return lines
