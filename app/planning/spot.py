"""How many pods may stand on spot nodes: those that are surely needed and must stay stand on demand, the rest on spot.

What is sure is the least that a low quantile of the forecast asks for while nodes live: these pods would stand on spot
nodes through every interruption. What is above it is uncertain anyway; losing some of it costs minutes of a pod that
may not have been needed. How much of it a workload bears depends on its type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.planning.rounding import whole_pods

_Floats = NDArray[np.float64]

CAPS: Mapping[str, float] = {
    "Registry": 0.0,  # few pods that everything else finds its servers by
    "Stateful": 0.0,  # a session dies with its pod
    "Agent": 0.25,  # calls of many minutes; a retried one is paid for twice
    "Stateless": 0.7,  # a call is repeated elsewhere, while some pods of another kind remain
    "Batch": 1.0,  # tasks are taken up again, and nobody waits for one
}
"""Type of workload -> the largest share of its pods on spot nodes."""


@dataclass(frozen=True)
class SpotAdvice:
    """One entry a workload. on_demand, spot: pods, float64 (n,), NaN where no advice is given. reason: one sentence."""

    on_demand: _Floats
    spot: _Floats
    reason: tuple[str, ...]


def spot_advice(*, asked_pods: _Floats, low_pods: _Floats, types: Sequence[str | None]) -> SpotAdvice:
    """asked_pods: (n,), that are asked for now, NaN: nothing is. low_pods: (n, steps), of a low quantile of demand.

    On demand: the least of low_pods, the share that the type's cap leaves at least, and all where the forecast is not
    known. Never more than asked_pods in all.
    """
    certain = np.where(np.isnan(low_pods), np.inf, low_pods).min(axis=1, initial=np.inf) + 0.0  # no -0.0
    caps = np.asarray([CAPS.get(one or "", np.nan) for one in types])
    on_demand = np.minimum(np.maximum(certain, whole_pods((1 - caps) * asked_pods) + 0.0), asked_pods)
    spot = asked_pods - on_demand
    rows = zip(types, asked_pods, certain, on_demand, caps, strict=True)
    return SpotAdvice(on_demand, spot, tuple(_reason(*row) for row in rows))


def _reason(kind: str | None, asked: float, certain: float, on_demand: float, cap: float) -> str:
    if kind is None:
        return "No advice: costs.workloadType is not given."
    if np.isnan(asked):
        return "No advice: nothing is served."
    if cap == 0:
        return f"All {asked:.0f} pods on demand: {kind} workloads do not survive an interruption."
    if np.isinf(certain):
        return f"All {asked:.0f} pods on demand: there is no forecast to say which of them are uncertain."
    if certain >= on_demand:
        text = f"{on_demand:.0f} of {asked:.0f} pods are needed even by the low quantile and stay on demand"
    else:
        text = f"{on_demand:.0f} of {asked:.0f} pods stay on demand: {kind} workloads bear {cap:.0%} on spot"
    return f"{text}; {asked - on_demand:.0f} may stand on spot nodes."
