"""Workers on a queue between their batches: when 0 may be served, and when the first pod is asked for ahead of work.

Whether work is expected is read off the same time of earlier days and weeks, and weighed as everything else here: one
pod is kept where the chance of work times the price of a missing pod exceeds what an idle one costs.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.planning.capacity import Recommendation
from app.reasons import Reason

DAYS = tuple(range(1, 15))
WEEKS = (7, 14, 21, 28, 35, 42)
LOOKED_AT_DAYS = tuple(sorted({*DAYS, *WEEKS}))
"""How many days back work is looked for."""

_LATE_DAYS, _EARLY_DAYS = slice(0, 7), slice(7, 13)  # of DAYS; the fourteenth is a week's too
_WEEKS_NEEDED = 2
_STILL = 0.5  # of the share of the last days: a pattern of days that is as old as the weeks that contradict it

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rhythm:
    """Of n workloads: worked (n, LOOKED_AT_DAYS), 1 where there was work in the window so many days before, 0 where
    there was none, NaN where nothing is known of it. planned (n,): an event of the calendar lies in the window.
    applies (n,): the workload may be scaled to zero."""

    worked: _Floats
    planned: _Bools
    applies: _Bools

    @classmethod
    def none(cls, workloads: int) -> "Rhythm":
        """No workload may be scaled to zero."""
        worked = np.full((workloads, len(LOOKED_AT_DAYS)), np.nan)
        return cls(worked, np.zeros(workloads, dtype=np.bool_), np.zeros(workloads, dtype=np.bool_))


def chance_of_work(worked: _Floats) -> _Floats:
    """Share of the days, or of the weeks if that is more, with work in the window: (n,), NaN where none is known.

    A weekday that has been skipped for weeks is skipped again, however many other days work: on Saturdays the batch of
    Monday to Friday does not come.
    """
    days = worked[:, [LOOKED_AT_DAYS.index(day) for day in DAYS]]
    weeks = worked[:, [LOOKED_AT_DAYS.index(day) for day in WEEKS]]
    late, early, weekly = _share(days[:, _LATE_DAYS]), _share(days[:, _EARLY_DAYS]), _share(weeks)
    enough = np.isfinite(weeks).sum(axis=1) >= _WEEKS_NEEDED
    skipped = enough & (weekly == 0) & (late > 0) & (early >= _STILL * late)
    chance: _Floats = np.where(skipped, 0.0, np.fmax(late, weekly))
    return chance


def between_batches(
    advice: Recommendation,
    rhythm: Rhythm,
    *,
    demand: _Floats,
    level: _Floats,
    capacity_per_pod: _Floats,
    maximum: _Floats,
) -> Recommendation:
    """The advice with 0 where nothing is expected, and at least one pod's capacity where work is or is expected.

    All arrays (n,). level: the newsvendor's quantile, price / (price + 1). Nothing changes where there is no number to
    serve, in a drop that is held, and where zero does not apply. Without any knowledge of earlier days one pod stays:
    not knowing of work is not knowing that there is none.
    """
    chance = np.where(rhythm.planned, 1.0, chance_of_work(rhythm.worked))
    open_ = rhythm.applies & np.isfinite(advice.served)
    held = np.asarray([reason == Reason.HOLDING_AFTER_DROP for reason in advice.reason], dtype=np.bool_)
    idle = open_ & ~held & (demand == 0)
    asleep = idle & (chance <= 1 - level)
    one_pod = np.minimum(capacity_per_pod, maximum)
    raised = open_ & ~asleep & (advice.served < one_pod)
    expected = raised & idle & np.isfinite(chance)
    served = np.where(asleep, 0.0, np.where(raised, one_pod, advice.served))
    reasons = tuple(
        _reason(reason, asleep=asleep[row], expected=expected[row]) for row, reason in enumerate(advice.reason)
    )
    return replace(advice, served=served, acting=advice.acting | asleep | expected, reason=reasons)


def _reason(reason: str, *, asleep: np.bool_, expected: np.bool_) -> str:
    if asleep:
        return str(Reason.NOTHING_EXPECTED)
    return str(Reason.WORK_EXPECTED) if expected else reason


def _share(worked: _Floats) -> _Floats:
    """Mean of what is known of each row; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows without any number
        share: _Floats = np.nanmean(worked, axis=1)
    return share
