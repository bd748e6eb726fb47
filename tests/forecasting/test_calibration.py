"""Conformal quantiles: exact on small tables, calibrated on loads whose truth is known."""

import numpy as np
import pytest
from scipy.stats import binom

from models import synthetic
from models.calibration import MIN_SCORES, score_quantile, score_quantiles, scores, upper
from models.cleaning import for_fitting
from models.decision import Terms
from models.engine import FittedPanel, fit
from models.series import Series

STEP = 300


def row(*numbers: float) -> np.ndarray:
    return np.asarray([numbers], dtype=np.float32)


def test_a_score_is_undone_by_upper() -> None:
    actual, forecast, scale = row(12, 3), row(10, 5), np.asarray([2], dtype=np.float32)
    np.testing.assert_allclose(upper(forecast, scores(actual, forecast, scale), scale), actual, rtol=1e-6)


def test_upper_is_never_negative() -> None:
    assert upper(row(1), row(-5), np.ones(1, dtype=np.float32)).tolist() == [[0]]


@pytest.mark.parametrize(("level", "expected"), [(0.5, 50), (0.9, 90), (0.95, 95), (0.999, 99)])
def test_the_quantile_is_the_smallest_score_that_covers_enough(level: float, expected: float) -> None:
    values = np.random.default_rng(1).permutation(np.arange(1, 100, dtype=np.float32))[None]
    assert score_quantile(values, np.asarray([level])).tolist() == [expected]


def test_missing_scores_do_not_count() -> None:
    values = np.concatenate([np.arange(1, 100), np.full(500, np.nan)]).astype(np.float32)[None]
    assert score_quantile(values, np.asarray([0.9])).tolist() == [90]


def test_too_few_scores_say_nothing_about_a_tail() -> None:
    values = np.arange(MIN_SCORES - 1, dtype=np.float32)[None]
    assert np.isnan(score_quantile(values, np.asarray([0.5]))).all()
    assert np.isnan(score_quantile(values[:, :0], np.asarray([0.5]))).all()


def test_quantiles_do_not_cross() -> None:
    values = np.random.default_rng(2).normal(size=(5, 200)).astype(np.float32)
    found = score_quantiles(values, (0.1, 0.5, 0.9, 0.95))
    assert (np.diff(found, axis=1) >= 0).all()


def fleet(*, workloads: int, days: float = 28, noise: float = 0.2, seed: int = 5) -> Series:
    return synthetic.daily(np.random.default_rng(seed), workloads=workloads, days=days, step_seconds=STEP, noise=noise)


def fitted(series: Series, *, level: float = 0.9, window: int = 3, days: float = 7) -> FittedPanel:
    return fit(
        for_fitting(series),
        terms=Terms(
            np.full(series.workloads, window, dtype=np.int64),
            np.full(series.workloads, 20.0),
            np.ones(series.workloads),
            np.ones(series.workloads, dtype=np.int64),
        ),
        level=np.full(series.workloads, level),
        levels=(0.1, 0.5, 0.9),
        horizon=24,
        hold_out_steps=int(days * synthetic.DAY_SECONDS // STEP),
    )


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_coverage_of_the_maximum_is_the_level_within_binomial_bounds(level: float) -> None:
    """Maxima of overlapping windows depend on each other; a window's length apart they do not."""
    window = 3
    panel = fitted(fleet(workloads=40), level=level, window=window)
    trials = 40 * panel.held_out_required.shape[1] * 2 // 3 // window
    low, high = binom.interval(0.9999, trials, level)
    calibration_error = 4 * np.sqrt(
        level * (1 - level) / (trials / 2)
    )  # the quantile itself is estimated, on half as many
    assert low / trials - calibration_error < np.mean(panel.coverage) < high / trials + calibration_error


def test_path_quantiles_cover_what_they_say() -> None:
    series = fleet(workloads=60)
    panel = fitted(series.rows(slice(None)))
    known = Series(series.start_s, STEP, series.values[:, :-24])
    ahead = fitted(known).predict(known.tail(panel.recent_steps), latest=np.full(60, np.nan)).quantiles
    share = (series.values[:, -24:, None] <= ahead.values).mean(axis=(0, 1))
    np.testing.assert_allclose(share, (0.1, 0.5, 0.9), atol=0.06)


def test_reported_coverage_is_recomputed_from_what_was_held_out() -> None:
    panel = fitted(fleet(workloads=3), window=1)
    following = panel.held_out_actual[:, 1:]
    promised = panel.held_out_limit[:, :-1]
    tried = np.isfinite(promised)
    share = (tried & (following <= promised)).sum(axis=1) / tried.sum(axis=1)
    np.testing.assert_allclose(share, panel.coverage, atol=1e-3)
