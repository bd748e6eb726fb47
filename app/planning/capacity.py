"""What is served: from measured demand and the forecast's quantile to one number a workload, with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.planning.sizing import SizeColumns, served_for
from app.reasons import Reason
from models.rolling import trailing_minimum
from models.series import Series

LASTING_SECONDS = 120  # what is measured for less is noise as often as it is load, and pods come too late for it
HOLD_SECONDS = 600  # how long capacity outlives a drop that no forecast foresaw: clients come back within minutes
FAR_BELOW = 0.3  # of the recent peak: a fall that noise and the end of a burst seldom reach
ALMOST_NOTHING = 0.05  # of the recent peak: without a forecast only a fall like this looks like an outage
STILL_EXPECTED = 0.5  # of the recent peak: a median above it says that the fall was not foreseen

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Recommendation:
    """One entry a workload. served: unit of demand, NaN where no value may be served; acting: the forecast is served.

    load: what is to be carried; asked: the same after sizes of pods and before bounds. reason: a Reason's word, never
    empty.
    """

    served: _Floats
    load: _Floats
    asked: _Floats
    acting: _Bools
    reason: tuple[str, ...]


def recommend(
    *,
    demand: _Floats,
    required: _Floats,
    foreseen: _Floats,
    trusted: _Bools,
    modes: Sequence[str],
    minimum: _Floats,
    maximum: _Floats,
    recent_peak: _Floats,
    lasting: _Floats | None = None,
    judged: _Bools | None = None,
    capacity_per_pod: _Floats | None = None,
    sizes: SizeColumns | None = None,
) -> Recommendation:
    """Serves max(lasting demand, required) where the forecast acts, demand elsewhere, within [minimum, maximum].

    All arrays (n,). demand: newest measured value; what is not a number >= 0 is refused. required: quantile of the
    maximum until new pods are up; foreseen: median for the present; both NaN where there is no fit. recent_peak:
    largest demand of the last minutes, served instead where demand fell far below it and no forecast foresaw that
    (NaN or -inf: unknown). lasting: see `lasting_now`; default: demand. judged: False where the replay had too little
    evidence for a verdict; default: nowhere. sizes, capacity_per_pod: see sizing.py; default: all pods carry the same.
    The forecast acts in mode Active wherever there is one, in mode Auto where it is trusted too, never in Shadow.
    """
    measured = np.isfinite(demand) & (demand >= 0)
    ready = np.isfinite(required) & (required >= 0)
    mode = np.asarray(modes, dtype=np.str_)
    enabled = measured & ready & ((mode == "Active") | ((mode == "Auto") & trusted))
    least = demand if lasting is None else lasting
    acting = enabled & (required >= least)
    wanted = np.where(acting, required, np.where(enabled, least, demand))
    held = measured & _fell_unforeseen(demand, foreseen, recent_peak) & (recent_peak > wanted)
    wanted = np.where(held, recent_peak, wanted)
    asked = wanted
    if sizes is not None and capacity_per_pod is not None:
        asked = served_for(wanted, capacity_per_pod=capacity_per_pod, sizes=sizes)
    served = (
        np.where(measured, np.minimum(np.maximum(asked, minimum), maximum), np.nan) + 0.0
    )  # which zero np.maximum picks is not defined: no -0.0
    learning = ~ready if judged is None else ~(ready & judged)
    reason = _reasons(
        (np.isnan(demand), Reason.NO_DATA),
        (~measured, Reason.INVALID_NUMBER),
        (held, Reason.HOLDING_AFTER_DROP),
        (acting, Reason.FORECAST_ACTS),
        (enabled, Reason.DEMAND_ABOVE_FORECAST),
        (mode == "Shadow", Reason.SHADOW),
        (learning, Reason.LEARNING),
        otherwise=Reason.REACTING_IS_CHEAPER,
    )
    load, asked = (np.where(measured, one, np.nan) for one in (wanted, asked))
    return Recommendation(served=served, load=load, asked=asked, acting=acting & ~held, reason=reason)


def lasting_steps(lead_steps: _Ints, *, step_seconds: float) -> _Ints:
    """Columns for which a load must last to count: what is gone before a pod is ready is not served by one."""
    longest = max(int(LASTING_SECONDS // step_seconds), 1)
    return np.clip(lead_steps, 1, longest)


def lasting(demand: NDArray[np.floating], steps: _Ints) -> NDArray[np.floating]:
    """Least number of the last `steps`, (n,), columns at each column, (n, T).

    NaN is skipped, but where a column itself is NaN so is the result.
    """
    missing = np.isnan(demand)
    filled = np.where(missing, np.inf, demand)
    result = np.empty(demand.shape)
    for span in np.unique(steps):
        rows = steps == span
        result[rows] = trailing_minimum(filled[rows], int(span))
    return np.where(missing, np.nan, result)


def lasting_now(demand: _Floats, data_s: _Floats, recent: Series, steps: _Ints) -> _Floats:
    """The same at the newest number: demand, measured at data_s, both (n,), and the panel's columns before it."""
    longest_s = (steps - 0.5) * recent.step_seconds
    near = data_s[:, None] - recent.times_s <= longest_s[:, None]
    before = np.where(near & np.isfinite(recent.values), recent.values, np.inf).min(axis=1, initial=np.inf)
    least: _Floats = np.where(np.isfinite(demand), np.minimum(demand, before), np.nan)
    return least


def _fell_unforeseen(demand: _Floats, foreseen: _Floats, recent_peak: _Floats) -> _Bools:
    """An outage empties the workload at once while its clients still want it; the end of a day is foreseen."""
    known = np.isfinite(recent_peak) & (recent_peak > 0)
    peak = np.where(known, recent_peak, np.inf)
    expected = np.isfinite(foreseen) & (foreseen >= STILL_EXPECTED * peak)
    blind = ~np.isfinite(foreseen) & (demand <= ALMOST_NOTHING * peak)
    return known & (demand <= FAR_BELOW * peak) & (expected | blind)


def _reasons(*cases: tuple[_Bools, Reason], otherwise: Reason) -> tuple[str, ...]:
    """The reason of the first case that holds, for each workload."""
    codes = np.select([holds for holds, _ in cases], range(len(cases)), default=len(cases))
    words = [str(reason) for _, reason in cases] + [str(otherwise)]
    return tuple(words[code] for code in codes)
