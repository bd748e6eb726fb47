"""Well-known forecasters as policies: each gives a few capacity rows for the scored half, the best is kept.

Each knows at a minute what lies strictly before it. Their margins are chosen in hindsight, for them. What does not
depend on the lead is computed once for all leads.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.sources.history_file import HistoryFile
from models.features import features, sampled_columns
from models.rolling import ahead_maximum, trailing_maximum

_DAY = 1_440
_COARSE = 10  # minutes; statsforecast's models take hours on single minutes
_COARSE_DAY = _DAY // _COARSE
_SEEN = 14 * _COARSE_DAY  # coarse steps that a model is fitted on
_REFIT = 6 * 60 // _COARSE  # coarse steps between two fits
_MARGINS = (0.8, 0.9, 1.0, 1.1, 1.3, 1.6)
_LEVEL = 0.9  # the margin does the rest

_Floats = NDArray[np.float64]
Offers = Iterator[list[_Floats]]  # for each lead, capacities of the scored half: one with each margin
Rival = Callable[[HistoryFile, int, Sequence[int]], Offers]


class _Model(Protocol):
    """What is used of statsforecast's models."""

    def fit(self, y: _Floats) -> object:
        """Chooses form and parameters."""

    def forward(self, y: _Floats, h: int) -> dict[str, _Floats]:
        """Runs over newer numbers with the parameters as they are, and on."""


def seasonal_naive(file: HistoryFile, half: int, leads: Sequence[int]) -> Offers:
    """The largest of yesterday's window, times a margin, or the newest number where that is larger."""
    demand = file.demand
    for lead in leads:
        ahead = np.full(demand.size, np.nan)
        ahead[_DAY:] = trailing_maximum(demand[None], lead + 2)[0][lead : demand.size - _DAY + lead]
        yield _with_margins(ahead, demand, half)


def auto_ets(file: HistoryFile, half: int, leads: Sequence[int]) -> Offers:
    """statsforecast's AutoETS on means of ten minutes, season of a day left to the level (ETS has no long seasons)."""
    return _largest_of(_smoothed_paths(file, half, max(leads), _no_season), file, half, leads)


def mstl(file: HistoryFile, half: int, leads: Sequence[int]) -> Offers:
    """statsforecast's MSTL with a season of a day on means of ten minutes, AutoETS on what is left."""
    return _largest_of(_smoothed_paths(file, half, max(leads), _season_of_a_day), file, half, leads)


def lightgbm(file: HistoryFile, half: int, leads: Sequence[int]) -> Offers:
    """A plain quantile of the window's maximum by LightGBM, refitted each two days on the four weeks before."""
    for lead in leads:
        yield _with_margins(_boosted(file, half, lead), file.demand, half)


def _boosted(file: HistoryFile, half: int, lead: int) -> _Floats:
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
    return ahead


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


def _largest_of(paths: _Floats, file: HistoryFile, half: int, leads: Sequence[int]) -> Offers:
    """The largest coarse step of the window."""
    for lead in leads:
        largest = np.maximum(paths[:, : _reach(lead)].max(axis=1), 0)
        ahead = np.full(file.demand.size, np.nan)
        minutes = np.repeat(largest, _COARSE)
        ahead[: minutes.size] = minutes
        yield _with_margins(ahead, file.demand, half)


def _reach(lead: int) -> int:
    """Coarse steps that a window may touch."""
    return -(-lead // _COARSE) + 1


def _smoothed_paths(file: HistoryFile, half: int, lead: int, season: Callable[[_Floats], _Floats]) -> _Floats:
    """The next coarse steps, seen from the beginning of each: (coarse steps, reach), NaN before the scored half.

    season: from the past to what to take off at each of its steps and of a day after it.
    """
    demand, reach = file.demand, _reach(lead)
    coarse = demand[: demand.size // _COARSE * _COARSE].reshape(-1, _COARSE).mean(axis=1)
    paths = np.full((coarse.size, reach), np.nan)
    for begin in range(half // _COARSE, coarse.size, _REFIT):
        first, end = max(begin - _SEEN, 0), min(begin + _REFIT, coarse.size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            off = season(coarse[first:begin])
            left = coarse[first:end] - off[: end - first]
            model = _auto_ets()
            model.fit(left[: begin - first])
            for origin in range(begin, end):
                path = np.asarray(model.forward(left[: origin - first], h=reach)["mean"])
                paths[origin] = path + off[origin - first : origin - first + reach]
    return paths


def _auto_ets() -> _Model:
    from statsforecast.models import AutoETS

    return AutoETS(season_length=1)  # type: ignore[no-any-return]


def _no_season(past: _Floats) -> _Floats:
    return np.zeros(past.size + _COARSE_DAY)


def _season_of_a_day(past: _Floats) -> _Floats:
    """MSTL's season, its last day repeated; none where there are not two days."""
    from statsforecast.mstl import mstl as decomposed

    if past.size < 2 * _COARSE_DAY:
        return _no_season(past)
    found = decomposed(past, period=_COARSE_DAY)
    column = next(name for name in found.columns if name.startswith("seasonal"))
    season = found[column].to_numpy()
    return np.concatenate([season, season[-_COARSE_DAY:]])
