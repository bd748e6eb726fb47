"""The load that one pod carries well, on histories whose knee is known, and refusals where the evidence is thin."""

from dataclasses import replace

import numpy as np
import pytest

from app.tuning.laws import Hinge, Queue, fit_hinge, fit_line, fit_queue
from app.tuning.measured import SETTLED_MINUTES, Confidence, Finding, Measured
from app.tuning.relation import latency_capacity, utilisation_capacity
from tests.tuning.histories import measured


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def by_latency(history: Measured, *, promised_s: float | None = None) -> Finding:
    assert history.latency_s is not None
    return latency_capacity(
        history.load_per_pod(), history.latency_s, promised_s=promised_s, rng=np.random.default_rng(1)
    )


def test_laws_are_found_again_from_their_own_numbers() -> None:
    load = np.linspace(1, 15, 30)
    queue = fit_queue(load, Queue(0.05, 20.0).at(load))
    assert (queue.unloaded, queue.limit) == (pytest.approx(0.05, rel=1e-3), pytest.approx(20, rel=1e-3))
    hinge = fit_hinge(load, Hinge(0.05, 9.0, 0.5).at(load))
    assert hinge.begins == pytest.approx(9, abs=0.4)
    line = fit_line(load, 0.1 + 0.06 * load)
    assert (line.idle, line.each) == (pytest.approx(0.1), pytest.approx(0.06))


def test_a_laws_load_at_a_value_has_that_value() -> None:
    for law, value in ((Queue(0.05, 20.0), 0.2), (Hinge(0.05, 9.0, 0.5), 0.2)):
        assert law.at(np.asarray([law.load_at(value)]))[0] == pytest.approx(value)
        assert law.load_at(0.01) == 0


def test_power_is_largest_at_the_knee() -> None:
    load = np.linspace(0.1, 19, 2_000)
    for law in (Queue(0.05, 20.0), Hinge(0.05, 9.0, 0.5)):
        assert load[np.argmax(load / law.at(load))] == pytest.approx(law.knee, abs=0.05)
    assert Hinge(0.05, 9.0, 0.05).knee == np.inf  # power still grows beyond


@pytest.mark.parametrize("seed", range(4))
def test_the_knee_of_a_queue_is_found_within_its_interval(seed: int) -> None:
    found = by_latency(measured(np.random.default_rng(seed), each=10))
    assert found.confidence is Confidence.MEASURED
    assert found.value == pytest.approx(10, rel=0.1)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 10 * 1.03
    assert found.high >= 10 * 0.97
    assert "queue law" in found.evidence


@pytest.mark.parametrize("seed", range(4))
def test_the_knee_of_a_pool_of_workers_is_where_waiting_begins(seed: int) -> None:
    found = by_latency(measured(np.random.default_rng(seed), each=10, latency="hinge"))
    assert found.value == pytest.approx(9, rel=0.1)
    assert "hinge law" in found.evidence


def test_a_promise_counts_instead_of_the_knee(rng: np.random.Generator) -> None:
    found = by_latency(measured(rng, each=10), promised_s=0.08)
    assert found.value == pytest.approx(20 * (1 - 0.05 / 0.08), rel=0.1)


def test_a_promise_that_is_broken_without_load_is_refused(rng: np.random.Generator) -> None:
    found = by_latency(measured(rng), promised_s=0.03)
    assert (found.value, found.confidence) == (None, Confidence.REFUSED)
    assert "load is not why" in found.evidence


def test_beyond_what_was_carried_nothing_is_claimed(rng: np.random.Generator) -> None:
    history = measured(rng, each=6)
    found = by_latency(history)
    assert found.confidence is Confidence.AT_LEAST
    each = history.load_per_pod()
    assert found.value == pytest.approx(np.quantile(each[np.isfinite(each)], 0.99))
    assert found.value < 9  # the knee of the law that latency follows is at 10


@pytest.mark.parametrize("law", ["flat", "unrelated"])
def test_a_latency_that_load_does_not_move_says_only_what_was_carried(rng: np.random.Generator, law: str) -> None:
    assert by_latency(measured(rng, latency=law)).confidence is Confidence.AT_LEAST


def test_a_relation_that_other_hours_do_not_show_is_refused() -> None:
    rng = np.random.default_rng(1)  # whose noise looks like a queue
    load, latency_s = rng.uniform(5, 15, 500), rng.lognormal(-3, 1.5, 500)
    for promised_s in (None, float(np.median(latency_s)) * 1.05):
        found = latency_capacity(load, latency_s, promised_s=promised_s, rng=rng)
        assert found.confidence is Confidence.REFUSED
        assert "load explains 0% of it on other hours" in found.evidence


def test_an_answer_that_moves_with_the_hours_that_are_looked_at_is_refused() -> None:
    rng = np.random.default_rng(0)
    load, every_other_block_is_slow = rng.uniform(1, 9, 600), np.arange(600) // 120 % 2 == 0
    latency_s = 0.05 / (1 - load / np.where(every_other_block_is_slow, 10, 40)) * np.exp(rng.normal(0, 0.05, 600))
    found = latency_capacity(load, latency_s, promised_s=0.0625, rng=rng)
    assert found.confidence is Confidence.REFUSED
    assert "but other hours would say" in found.evidence


def test_few_minutes_are_refused_and_say_how_many_are_needed(rng: np.random.Generator) -> None:
    history = measured(rng, days=1)
    assert history.latency_s is not None
    short = replace(history, latency_s=np.where(np.arange(1_440) < 300, history.latency_s, np.nan))
    found = by_latency(short)
    assert found.confidence is Confidence.REFUSED
    assert "360 are needed" in found.evidence


def test_pods_that_are_always_loaded_alike_are_refused(rng: np.random.Generator) -> None:
    history = measured(rng)
    alike = np.where(np.isfinite(history.load_per_pod()), 8 + rng.normal(0, 0.3, history.demand.size), np.nan)
    assert history.latency_s is not None
    found = latency_capacity(alike, history.latency_s, promised_s=None, rng=rng)
    assert found.confidence is Confidence.REFUSED
    assert "too alike" in found.evidence


def test_cpu_reaches_its_goal_where_the_line_says(rng: np.random.Generator) -> None:
    history = measured(rng, each=12)
    assert history.utilisation is not None
    found = utilisation_capacity(history.load_per_pod(), history.utilisation, goal=0.7, rng=rng)
    assert found.value == pytest.approx((0.7 - 0.1) / 0.06, rel=0.03)
    assert found.confidence is Confidence.MEASURED


def test_minutes_after_a_change_of_pods_do_not_count(rng: np.random.Generator) -> None:
    history = measured(rng)
    assert history.pods is not None
    each, changed = history.load_per_pod(), np.flatnonzero(np.diff(history.pods) != 0) + 1
    for after in range(SETTLED_MINUTES):
        assert np.isnan(each[np.minimum(changed + after, each.size - 1)]).all()
    assert np.isfinite(each).sum() > each.size / 3


def test_the_same_history_has_the_same_answer() -> None:
    history = measured(np.random.default_rng(3))
    assert by_latency(history) == by_latency(history)
