"""What is served: from measured demand and the forecast's quantile to one number a workload, with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.reasons import Reason

FAR_BELOW = 0.3  # of the recent peak: a fall that noise and the end of a burst seldom reach
ALMOST_NOTHING = 0.05  # of the recent peak: without a forecast only a fall like this looks like an outage
STILL_EXPECTED = 0.5  # of the recent peak: a median above it says that the fall was not foreseen

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Recommendation:
    """One entry a workload. served: unit of demand, NaN where no value may be served; acting: the forecast is served.

    reason: a Reason's word, never empty.
    """

    served: _Floats
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
    judged: _Bools | None = None,
) -> Recommendation:
    """Serves max(demand, required) where the forecast acts, demand elsewhere, within [minimum, maximum].

    All arrays (n,). demand: newest measured value; what is not a number >= 0 is refused. required: quantile of the
    maximum until new pods are up; foreseen: median for the present; both NaN where there is no fit. recent_peak:
    largest demand of the last minutes, served instead where demand fell far below it and no forecast foresaw that
    (NaN or -inf: unknown). judged: False where the replay had too little evidence for a verdict; default: nowhere.
    The forecast acts in mode Active wherever there is one, in mode Auto where it is trusted too, never in Shadow.
    """
    measured = np.isfinite(demand) & (demand >= 0)
    ready = np.isfinite(required) & (required >= 0)
    mode = np.asarray(modes, dtype=np.str_)
    enabled = measured & ready & ((mode == "Active") | ((mode == "Auto") & trusted))
    acting = enabled & (required >= demand)
    wanted = np.where(acting, required, demand)
    held = measured & _fell_unforeseen(demand, foreseen, recent_peak) & (recent_peak > wanted)
    wanted = np.where(held, recent_peak, wanted)
    served = (
        np.where(measured, np.minimum(np.maximum(wanted, minimum), maximum), np.nan) + 0.0
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
    return Recommendation(served=served, acting=acting & ~held, reason=reason)


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
