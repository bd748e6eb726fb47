"""What the real recommender makes of two weeks in Prometheus, with the flags and rights that are shipped."""

import pytest

from tests.e2e.harness.processes import wait_until
from tests.e2e.vpa.conftest import AT_START_MI, MI, NAME, PEAK_MI, SIDECAR, Scenario, mebibytes

MARGIN = 1.15  # --recommendation-margin-fraction
BUCKET = 1.06  # of the recommender's histogram: 5 % each, and 16 MiB of rounding


@pytest.fixture(scope="module", autouse=True)
def _recommended(scenario: Scenario) -> None:
    wait_until(scenario.recommended, seconds=90, what="there is a recommendation")


def test_it_is_the_days_peak_and_a_margin_though_the_pods_of_that_past_are_gone(scenario: Scenario) -> None:
    target = wait_until(scenario.target_mi, seconds=90, what="a target")
    print(f"requested {AT_START_MI} Mi, peaks of {PEAK_MI} Mi, recommended {target:.0f} Mi")
    assert PEAK_MI * MARGIN / BUCKET <= target <= PEAK_MI * MARGIN * BUCKET + 16
    assert target % 16 == 0


def test_it_is_for_memory_alone_and_lies_between_its_bounds(scenario: Scenario) -> None:
    found = scenario.recommended()[NAME]
    parts = ("target", "lowerBound", "upperBound")
    assert [list(found[name]) for name in parts] == [["memory"]] * 3
    least, target, most = (mebibytes(found[name]["memory"]) for name in ("lowerBound", "target", "upperBound"))
    (policy,) = [
        one for one in scenario.vpa()["spec"]["resourcePolicy"]["containerPolicies"] if one["containerName"] == NAME
    ]
    allowed = [mebibytes(policy[name]["memory"]) for name in ("minAllowed", "maxAllowed")]
    assert allowed[0] <= least <= target <= most <= allowed[1]


def test_the_sidecar_has_none(scenario: Scenario) -> None:
    assert list(scenario.recommended()) == [NAME]
    assert SIDECAR in {one["name"] for one in scenario.pods()[0]["spec"]["containers"]}


def test_more_is_followed_the_same_day_and_up_to_the_largest_size_that_is_allowed(scenario: Scenario) -> None:
    before = scenario.target_mi()
    scenario.usage.now = 900 * MI
    wait_until(lambda: scenario.target_mi() > before * 1.5, seconds=90, what="the recommendation follows")
    after = scenario.target_mi()
    print(f"pods use 900 Mi now: recommended {before:.0f} -> {after:.0f} Mi")
    assert 900 * MARGIN / BUCKET <= after <= 900 * MARGIN * BUCKET + 16
    scenario.usage.now = 3000 * MI
    wait_until(lambda: scenario.target_mi() == 2048, seconds=90, what="maxAllowed is recommended")
