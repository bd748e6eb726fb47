"""Pods of several sizes: how many to ask for, when each carries what its size says.

An HPA divides the served value by a fixed averageValue, so it takes all pods for equal. They are not while a new size
is rolled out, nor after it if averageValue was set for the old one. So the load is turned into pods here, and served
as pods x capacityPerPod.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.workloads.book import PodSizes
from app.workloads.spec import CapacityScaling

_DIGITS = 3  # of a factor, as status says it: what is explained is what was reckoned with

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SizeColumns:
    """PodSizes of all workloads, each (n,); where sizes do not count: no pods, and all others carry 1."""

    pods: _Floats
    carry: _Floats
    newest: _Floats
    largest: _Floats

    def at(self, rows: NDArray[np.int64]) -> "SizeColumns":
        """Of some workloads."""
        return SizeColumns(self.pods[rows], self.carry[rows], self.newest[rows], self.largest[rows])

    @classmethod
    def of(cls, sizes: Sequence[PodSizes | None]) -> "SizeColumns":
        """Columns of what is known, None for workloads whose pods all count alike."""
        plain = PodSizes(0, 0.0, 1.0, 1.0)
        known = [one or plain for one in sizes]
        return cls(
            *(
                np.asarray([getattr(one, name) for one in known], dtype=np.float64)
                for name in ("pods", "carry", "newest", "largest")
            )
        )


def factor_of(request: float, scaling: CapacityScaling) -> float:
    """What a pod with this request carries, in pods of the reference size."""
    linear = (request - scaling.idle) / (scaling.reference - scaling.idle)
    return round(min(max(linear, scaling.min_factor), scaling.max_factor), _DIGITS)


def sizes_of(requests: Sequence[float], scaling: CapacityScaling, *, before: PodSizes | None = None) -> PodSizes | None:
    """Sizes of a target's pods from their requests, the pod created last being the last.

    Whether pods are Ready does not matter: the HPA counts them all, and a probe that flaps must not move the number.
    Without pods those to come are like the newest one `before`; None where nothing is known.
    """
    if not requests:
        return None if before is None else PodSizes(0, 0.0, before.newest, before.newest)
    factors = [factor_of(one, scaling) for one in requests]
    return PodSizes(len(factors), round(sum(factors), _DIGITS), factors[-1], max(factors))


def served_for(load: _Floats, *, capacity_per_pod: _Floats, sizes: SizeColumns) -> _Floats:
    """Pods that carry `load`, times capacity_per_pod. load: (n,) or (n, steps), the others (n,). NaN stays NaN.

    With n pods that carry S, what is missing to the load D takes (D - S) / newest further ones: they will be like the
    newest. What is too much is given back as (S - D) / largest pods: whichever are removed, D can still be carried.
    Both are n + (D - S) / size, and the larger of the two is always the one that applies. Pods of the size `newest`
    cancel out of it, so the number stays while they are being added.
    """
    each, pods, carry, newest, largest = (
        one.reshape(-1, *[1] * (load.ndim - 1))
        for one in (capacity_per_pod, sizes.pods, sizes.carry, sizes.newest, sizes.largest)
    )
    asked = [(load - each * _beyond(pods, carry, size)) / size for size in (newest, largest)]
    return np.maximum(*asked)


def _beyond(pods: _Floats, carry: _Floats, size: _Floats) -> _Floats:
    """What the pods carry beyond as many of that size; exactly 0 where all have it."""
    return np.round(carry - pods * size, _DIGITS)
