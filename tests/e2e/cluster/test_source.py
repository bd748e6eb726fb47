"""Our source and a real Prometheus: the same numbers in whatever pieces they come, its own words when it refuses."""

import random
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from app.errors import QueryRejected, SourceUnavailable
from app.settings import Settings
from app.sources.prometheus import PrometheusSource, prometheus_source
from tests.e2e.cluster.conftest import STEP_SECONDS, Scenario
from tests.e2e.harness import twins
from tests.e2e.harness.load import DAY_SECONDS, METRIC

SERVER_LIMIT = 11_000  # points per series that Prometheus is willing to give at once
SELECTOR = f'{METRIC}{{deployment="{twins.AHEAD}"}}'

MakeSource = Callable[..., PrometheusSource]


@pytest.fixture
def make_source(scenario: Scenario) -> Iterator[MakeSource]:
    made: list[PrometheusSource] = []

    def make(**settings: object) -> PrometheusSource:
        known = {"prometheus_url": scenario.prometheus.url, "prometheus_attempts": 1}
        known |= {"authentication": "none", "host": "127.0.0.1"}  # of a door that is not opened here
        made.append(prometheus_source(Settings(**{**known, **settings}), rng=random.Random(1)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for source in made:
        source.close()


def test_days_of_history_are_the_same_in_pieces_of_any_size(scenario: Scenario, make_source: MakeSource) -> None:
    end_s = int(scenario.load.surge_at_s) // STEP_SECONDS * STEP_SECONDS - DAY_SECONDS
    start_s = end_s - 5 * DAY_SECONDS
    assert (end_s - start_s) // STEP_SECONDS > 2 * SERVER_LIMIT
    expected = [scenario.load.at(time_s) for time_s in range(start_s, end_s + 1, STEP_SECONDS)]
    for max_points in (SERVER_LIMIT, 997):
        answer = make_source(prometheus_max_points=max_points).range(
            SELECTOR, start_s=start_s, end_s=end_s, step_seconds=STEP_SECONDS
        )
        (series,) = answer.series
        assert answer.complete
        assert series.labels["deployment"] == twins.AHEAD
        assert series.history.times_s.tolist() == list(range(start_s, end_s + 1, STEP_SECONDS))
        np.testing.assert_allclose(series.history.values, expected, atol=0.001)


def test_what_was_backfilled_and_what_is_scraped_are_one_series(scenario: Scenario, make_source: MakeSource) -> None:
    (one,) = make_source().instant(f"count({SELECTOR})", at_s=time.time()).series
    assert one.history.values.tolist() == [1.0]


def test_a_broken_query_is_refused_in_the_words_of_prometheus(make_source: MakeSource) -> None:
    with pytest.raises(QueryRejected, match="parse error"):
        make_source().instant("sum by (", at_s=0)


def test_a_series_that_does_not_exist_is_a_complete_answer_without_series(
    scenario: Scenario, make_source: MakeSource
) -> None:
    answer = make_source().instant("no_such_metric", at_s=scenario.load.surge_at_s - DAY_SECONDS)
    assert answer.complete
    assert answer.series == ()


def test_what_prometheus_says_about_a_query_is_noted_but_nothing_is_missing(
    scenario: Scenario, make_source: MakeSource
) -> None:
    answer = make_source().instant(f"rate({SELECTOR}[5m])", at_s=scenario.load.surge_at_s - DAY_SECONDS)
    assert answer.complete
    assert "might not be a counter" in " ".join(answer.notes)


def test_a_port_where_nobody_listens_is_unavailable(make_source: MakeSource) -> None:
    with pytest.raises(SourceUnavailable):
        make_source(prometheus_url="http://127.0.0.1:1").instant("vector(1)", at_s=0)
