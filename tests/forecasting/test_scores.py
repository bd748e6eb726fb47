"""Scores agree with a naive loop over the definition."""

import math

import numpy as np
import pytest

from models import scoring


@pytest.fixture
def numbers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers with gaps, and two forecasts of them."""
    rng = np.random.default_rng(3)
    actual = rng.gamma(2, 5, size=(3, 40)).astype(np.float32)
    actual[0, 5] = np.nan
    return actual, (np.nanmean(actual) * np.ones_like(actual)), (np.nanmean(actual) * 1.5 * np.ones_like(actual))


def by_hand(score, *panels: np.ndarray) -> list[float]:
    """Mean of score(a, b, ...) over the columns in which all are numbers."""
    means = []
    for rows in zip(*panels, strict=True):
        kept = [score(*map(float, cells)) for cells in zip(*rows, strict=True) if not any(map(math.isnan, cells))]
        means.append(sum(kept) / len(kept))
    return means


@pytest.mark.parametrize("level", [0.1, 0.5, 0.95])
def test_pinball_is_the_quantile_loss(numbers: tuple[np.ndarray, ...], level: float) -> None:
    actual, forecast, _ = numbers

    def loss(a: float, f: float) -> float:
        return level * (a - f) if a >= f else (1 - level) * (f - a)

    np.testing.assert_allclose(scoring.pinball(actual, forecast, level=level), by_hand(loss, actual, forecast))


def test_coverage_is_the_share_below(numbers: tuple[np.ndarray, ...]) -> None:
    actual, forecast, _ = numbers
    np.testing.assert_allclose(
        scoring.coverage(actual, forecast), by_hand(lambda a, f: float(a <= f), actual, forecast)
    )


def test_winkler_is_width_and_penalty(numbers: tuple[np.ndarray, ...]) -> None:
    actual, lower, upper = numbers

    def score(a: float, low: float, high: float) -> float:
        return (high - low) + 2 / 0.2 * (max(low - a, 0) + max(a - high, 0))

    np.testing.assert_allclose(
        scoring.winkler(actual, lower, upper, level=0.8), by_hand(score, actual, lower, upper), rtol=1e-6
    )


def test_wape_is_the_error_s_share_of_the_load(numbers: tuple[np.ndarray, ...]) -> None:
    actual, forecast, _ = numbers
    expected = [
        sum(abs(a - f) for a, f in zip(row, line, strict=True) if not math.isnan(a))
        / sum(a for a in row if not math.isnan(a))
        for row, line in zip(actual.tolist(), forecast.tolist(), strict=True)
    ]
    np.testing.assert_allclose(scoring.wape(actual, forecast), expected, rtol=1e-5)


def test_a_row_without_numbers_has_no_score() -> None:
    nothing = np.full((1, 4), np.nan)
    ones = np.ones((1, 4))
    assert np.isnan(scoring.pinball(nothing, ones, level=0.5)).all()
    assert np.isnan(scoring.coverage(nothing, ones)).all()
    assert np.isnan(scoring.wape(nothing, ones)).all()
