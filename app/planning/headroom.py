"""Room on nodes: for how many pods it must be there before they are asked for. Arithmetic on forecasts, nothing else.

A pod that finds no node waits until one has started. So what counts is the demand one lead time of a node and one of a
pod ahead, and of the pods that it needs only those that neither exist nor are being asked for now.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Room:
    """Of the workloads that want room on nodes, k of them; every array has k entries.

    rows: their places among all workloads. ahead: pods that the forecast sees within the leads of a node and a pod,
    NaN where there is none. headroom: pods to hold room for now, NaN where that is not known: what is held stays.
    node_lead_seconds, node_lead_origin: what was planned with.
    """

    rows: _Ints
    ahead: _Floats
    headroom: _Floats
    node_lead_seconds: _Ints
    node_lead_origin: tuple[str, ...] = ()

    @classmethod
    def unwanted(cls) -> "Room":
        """No workload wants any."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))

    def place(self, row: int) -> int | None:
        """Where a workload's entries are, None if it wants no room."""
        at = int(np.searchsorted(self.rows, row))
        return at if at < len(self.rows) and self.rows[at] == row else None


def pods_for(demand: _Floats, capacity_per_pod: _Floats) -> _Floats:
    """Whole pods, as the HPA rounds; NaN stays."""
    pods: _Floats = np.ceil(np.maximum(demand, 0) / capacity_per_pod)
    return pods


def headroom(*, ahead: _Floats, asked: _Floats, existing: _Floats, acting: _Bools, most: _Floats) -> _Floats:
    """Pods to hold room for, whole, from 0 to `most`; NaN where a number is missing. All arrays (n,).

    ahead: pods needed then. asked: pods that the served value asks for now, NaN where none is served. existing: pods
    that are there, those without a node included. acting: where the forecast may act; elsewhere it is 0.
    """
    extra = np.clip(ahead - np.maximum(asked, existing), 0, most)
    known = np.isfinite(asked) & np.isfinite(existing) & (np.isfinite(ahead) | ~acting)
    result: _Floats = np.where(known, np.where(acting, extra, 0.0), np.nan)
    return result


def may_act(modes: Sequence[str], trusted: _Bools) -> _Bools:
    """Whether a forecast may spend money: in mode Active always, in mode Auto where it has proved itself."""
    mode = np.asarray(modes, dtype=np.str_)
    allowed: _Bools = (mode == "Active") | ((mode == "Auto") & trusted)
    return allowed
