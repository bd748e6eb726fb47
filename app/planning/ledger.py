"""The ledger: what a workload's pods came to on each day, beside the same HPA without the forecast and a perfect one.

All of it from the replay of the held-out days, in which nothing knew its future: asked follows the forecast on days
that began with it being trusted (or in mode Active), and the newest number on the others, as the service does. HPA-only
is the same HPA (target, stabilization, tolerance) on the newest number: the toughest fair opponent of these settings.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.planning.replay import DAILY

LEDGER = ("asked", "used", "needed", "hpa_only", "short", "hpa_short", "seconds", "acted")
"""Pod-minutes: asked for, used (demand over capacity, not rounded), asked for by a perfect forecast and by HPA-only,
missing with what was asked and with HPA-only; then seconds replayed, and 1 where the forecast acted."""


def ledger(daily: NDArray[np.float32], *, price: NDArray[np.float64], modes: Sequence[str]) -> NDArray[np.float32]:
    """float32 (n, LEDGER, days) out of Verdict.daily, (n, DAILY, days); NaN where a day was not replayed.

    price: (n,), a missing pod-minute in idle ones, as in the replay. modes: Auto, Shadow or Active.
    """
    of = {name: daily[:, place].astype(np.float64) for place, name in enumerate(DAILY)}
    by_hpa = of["reactive_cost"] - price[:, None] * of["reactive_short"]
    by_forecast = of["forecast_cost"] - price[:, None] * of["forecast_short"]
    mode = np.asarray(modes, dtype=np.str_)[:, None]
    acted = (mode == "Active") | ((mode == "Auto") & (of["trusted"] > 0))
    rows = {
        "asked": np.where(acted, by_forecast, by_hpa),
        "used": of["used"],
        "needed": of["needed"],
        "hpa_only": by_hpa,
        "short": np.where(acted, of["forecast_short"], of["reactive_short"]),
        "hpa_short": of["reactive_short"],
        "seconds": of["seconds"],
        "acted": acted.astype(np.float64),
    }
    replayed = of["seconds"] > 0
    table = [np.where(replayed, rows[name], np.nan) for name in LEDGER]
    return np.stack(table, axis=1).astype(np.float32)
