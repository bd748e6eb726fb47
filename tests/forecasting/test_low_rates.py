"""Counts at low rates: their noise is that of counts, and what it tells of the next minutes is nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import poisson

from app.planning.score import Setting, score
from models.decision import Terms, fit_decision
from models.experts.registry import FLEET, rosters
from models.series import Series

DAY = 1_440
DAYS = 6
LEAD = 5
PRICE = 20.0


def rate() -> NDArray[np.float64]:
    """Operations a minute: from one at night to seven at noon."""
    return 4 - 3 * np.cos(2 * np.pi * np.arange(DAYS * DAY) / DAY)


def asked_by_a_mixture(counts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Decided at each minute of the last two days."""
    one = np.ones(1)
    terms = Terms(np.asarray([LEAD + 1]), PRICE * one, one, np.asarray([5]))
    _, wanted = fit_decision(Series(0, 60, counts[None]), terms, hold_out_steps=2 * DAY, roster=rosters()[FLEET])
    return wanted[0, -2 * DAY :].astype(np.float64)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_costs_little_more_than_to_know_the_rate(seed: int) -> None:
    """Who knows the rate asks for the best quantile of the count, chosen in hindsight."""
    counts = np.random.default_rng(seed).poisson(rate()).astype(np.float32)
    last = slice(-2 * DAY + 1, None)
    setting = Setting(counts[last].astype(np.float64), 1.0, LEAD, PRICE)
    knowing = min(score(poisson.ppf(level, rate()[last]), setting).cost for level in (0.7, 0.8, 0.9, 0.95, 0.98, 0.99))
    reacting = min(score(counts[-2 * DAY : -1] / share, setting).cost for share in np.arange(0.2, 1.01, 0.05))
    found = score(asked_by_a_mixture(counts)[:-1], setting).cost
    assert found < knowing + 0.25 * (reacting - knowing)
