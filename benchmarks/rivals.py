"""Well-known forecasters as policies: each gives a few capacity rows for the scored half, the best is kept.

Each knows at a minute what lies strictly before it. Their margins are chosen in hindsight, for them.
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from app.sources.history_file import HistoryFile
from models.features import features, sampled_columns
from models.rolling import ahead_maximum, trailing_maximum

_DAY, _HOUR = 1_440, 60
_COARSE = 10  # minutes; statsforecast's models take hours on single minutes
_HORIZON = 6  # coarse steps ahead, refitted each so many
_MARGINS = (0.8, 0.9, 1.0, 1.1, 1.3, 1.6)
_HISTORY_DAYS = 14
_LEVEL = 0.9  # the margin does the rest

_Floats = NDArray[np.float64]
Rival = Callable[[HistoryFile, int, int], list[_Floats]]


def seasonal_naive(file: HistoryFile, half: int, lead: int) -> list[_Floats]:
    """The largest of yesterday's window, times a margin, or the newest number where that is larger."""
    demand = file.demand
    ahead = np.full(demand.size, np.nan)
    ahead[_DAY:] = trailing_maximum(demand[None], lead + 2)[0][lead : demand.size - _DAY + lead]
    return _with_margins(ahead, demand, half)


def auto_ets(file: HistoryFile, half: int, lead: int) -> list[_Floats]:
    """statsforecast's AutoETS on means of ten minutes, season of a day left to the level (ETS has no long seasons)."""
    from statsforecast.models import AutoETS

    return _with_margins(_statsforecast(file, half, lead, lambda: AutoETS(season_length=1)), file.demand, half)


def mstl(file: HistoryFile, half: int, lead: int) -> list[_Floats]:
    """statsforecast's MSTL, season of a day, trend by AutoETS, on means of ten minutes, refitted each hour."""
    from statsforecast.models import MSTL, AutoETS

    make = lambda: MSTL(season_length=_DAY // _COARSE, trend_forecaster=AutoETS(model="ZAN"))  # noqa: E731
    return _with_margins(_statsforecast(file, half, lead, make), file.demand, half)


def lightgbm(file: HistoryFile, half: int, lead: int) -> list[_Floats]:
    """A plain quantile of the window's maximum by LightGBM, refitted each two days on the four weeks before."""
    import lightgbm as trees

    known, window = file.known, (1, lead + file.delay_minutes + 1)
    target = ahead_maximum(known.values.astype(np.float64), *window)[0]
    ahead = np.full(file.demand.size, np.nan)
    options = {"objective": "quantile", "alpha": _LEVEL, "num_threads": 1, "seed": 1, "verbose": -1}
    for begin in range(half, known.steps, 2 * _DAY):
        usable = np.arange(max(begin - 28 * _DAY, 0), begin - window[1])
        picked = usable[np.isfinite(target[usable])]
        columns = picked[sampled_columns(picked.size, 8_000, step_seconds=60)]
        past = features(known, columns=columns, window=window)
        unit = past.unit[0]
        data = trees.Dataset(past.table, label=target[columns] / unit, weight=unit / unit.mean())
        model = trees.train(options, data, num_boost_round=100)
        ahead_columns = np.arange(begin, min(begin + 2 * _DAY, known.steps))
        now = features(known, columns=ahead_columns - 1, window=window)
        ahead[ahead_columns] = np.maximum(model.predict(now.table, num_threads=1) * now.unit[0], 0)
    return _with_margins(ahead, file.demand, half)


RIVALS: Mapping[str, Rival] = {
    "seasonal naive": seasonal_naive,
    "AutoETS": auto_ets,
    "MSTL": mstl,
    "LightGBM": lightgbm,
}


def _with_margins(ahead: _Floats, demand: _Floats, half: int) -> list[_Floats]:
    newest = np.concatenate([demand[:1], demand[:-1]])
    base = np.where(np.isfinite(ahead), ahead, newest)
    return [np.maximum(base * margin, newest * share)[half:] for margin in _MARGINS for share in (0.0, 1.0, 1.25)]


def _statsforecast(file: HistoryFile, half: int, lead: int, make: Callable[[], object]) -> _Floats:
    """The forecast's largest coarse step of the window, refitted each hour on the last two weeks."""
    demand = file.demand
    coarse = demand[: demand.size // _COARSE * _COARSE].reshape(-1, _COARSE).mean(axis=1)
    ahead = np.full(demand.size, np.nan)
    reach = -(-lead // _COARSE) + 1
    for origin in range(half // _COARSE, coarse.size, _HORIZON):
        past = coarse[max(origin - _HISTORY_DAYS * _DAY // _COARSE, 0) : origin]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = make().forecast(y=past, h=_HORIZON + reach)["mean"]  # type: ignore[attr-defined]
        largest = ahead_maximum(np.asarray(path)[None], 0, reach - 1)[0][:_HORIZON]
        begin = origin * _COARSE
        minutes = np.repeat(np.maximum(largest, 0), _COARSE)[: demand.size - begin]
        ahead[begin : begin + minutes.size] = minutes
    return ahead
