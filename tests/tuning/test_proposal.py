"""The whole proposal: bounds, lead and price with how far each is known, and the objects that carry them."""

import kubernetes_validate
import numpy as np
import pytest

from app.planning.behaviour import of_hpa
from app.tuning.bounds import lead, most_pods, price
from app.tuning.manifest import objects
from app.tuning.measured import Confidence, Measured
from app.tuning.proposal import Proposal, Wishes, propose, size
from app.tuning.search import Load
from app.tuning.types import WorkloadType
from tests.tuning.histories import DAY, measured


def proposed(history: Measured, wishes: Wishes) -> Proposal:
    return propose(history, size(history, wishes), wishes)


@pytest.fixture(scope="module")
def history() -> Measured:
    rng = np.random.default_rng(2)
    return measured(rng, days=5, startups=rng.normal(70, 8, 200))


@pytest.fixture(scope="module")
def proposal(history: Measured) -> Proposal:
    return proposed(history, Wishes(WorkloadType.STATELESS))


def test_capacity_is_the_smaller_of_what_latency_and_cpu_allow(history: Measured) -> None:
    found = size(history, Wishes(WorkloadType.STATELESS))
    latency, cpu = found.capacities
    assert latency.value == pytest.approx(10, rel=0.1)
    assert cpu.value == pytest.approx(10, rel=0.05)
    assert found.capacity.value == min(latency.value, cpu.value)


def test_workers_of_a_queue_are_not_sized_by_cpu(history: Measured) -> None:
    assert len(size(history, Wishes(WorkloadType.BATCH)).capacities) == 1


def test_without_latency_or_cpu_nothing_is_told_unless_the_user_says_it(history: Measured) -> None:
    bare = Measured("bare", history.demand, history.known, history.pods)
    assert size(bare, Wishes(WorkloadType.STATELESS)).capacity.confidence is Confidence.REFUSED
    told = size(bare, Wishes(WorkloadType.STATELESS, capacity_per_pod=8))
    assert (told.capacity.value, told.capacity.confidence) == (8, Confidence.ASSUMED)


def test_what_the_loadforecast_says_a_pod_carries_stands_where_nothing_was_measured(history: Measured) -> None:
    bare = Measured("bare", history.demand, history.known, history.pods)
    told = size(bare, Wishes(WorkloadType.STATELESS, fallback_capacity=6)).capacity
    assert (told.value, told.confidence) == (6, Confidence.ASSUMED)
    assert size(history, Wishes(WorkloadType.STATELESS, fallback_capacity=6)).capacity.confidence is Confidence.MEASURED


def test_lead_is_what_nine_of_ten_start_ups_took() -> None:
    found = lead(np.arange(1, 101, dtype=float), otherwise_s=120)
    assert (found.value, found.confidence) == (91, Confidence.MEASURED)
    few = lead(np.asarray([30.0] * 9), otherwise_s=120)
    assert (few.value, few.confidence) == (120, Confidence.ASSUMED)


def test_a_peak_beyond_the_seen_ones_is_extrapolated_from_two_weeks_of_them() -> None:
    rng = np.random.default_rng(0)
    peaks = rng.gumbel(100, 5, 60)
    demand = np.full(60 * DAY, 10.0)
    demand[DAY // 2 :: DAY] = peaks
    whole = Measured("h", demand, np.ones(demand.size, dtype=np.bool_))
    found = most_pods(whole, 1.0, spare=1.0)
    once_in_100 = 100 - 5 * np.log(-np.log(1 - 1 / 100))
    assert found.value == pytest.approx(max(once_in_100, peaks.max()), rel=0.06)
    assert found.confidence is Confidence.MEASURED
    short = Measured("h", demand[: 5 * DAY], np.ones(5 * DAY, dtype=np.bool_))
    assert most_pods(short, 1.0, spare=1.0).confidence is Confidence.ASSUMED


def test_pods_at_their_bound_under_high_load_hide_the_demand_above() -> None:
    demand = np.tile(np.concatenate([np.full(DAY - 120, 20.0), np.full(120, 90.0)]), 15)
    pods = np.tile(np.concatenate([np.full(DAY - 120, 4.0), np.full(120, 6.0)]), 15)
    found = most_pods(Measured("h", demand, np.ones(demand.size, dtype=np.bool_), pods), 5.0, spare=1.0)
    assert found.confidence is Confidence.AT_LEAST
    assert "demand above is unknown" in found.evidence


def test_a_history_cannot_say_a_price_but_what_ran_implies_one() -> None:
    needed, today = np.full(100, 4.0), np.where(np.arange(100) < 5, 3.0, 5.0)
    found = price(Load(needed, needed, today=today), given=None, of_type=20)
    assert (found.value, found.confidence) == (20, Confidence.ASSUMED)
    assert "5.00% of the minutes, which prices a missing one at 19" in found.evidence
    assert price(Load(needed, needed), given=7, of_type=20).value == 7


def test_every_setting_comes_with_its_evidence(proposal: Proposal) -> None:
    assert [one.setting for one in proposal.findings] == [
        "capacityPerPod",
        "leadSeconds",
        "minReplicas",
        "maxReplicas",
        "missingPodPrice",
    ]
    assert all(one.evidence and one.value is not None for one in proposal.findings)


def test_the_objects_say_what_was_proposed_and_are_valid(proposal: Proposal) -> None:
    hpa, forecast = objects(proposal, namespace="mcp", name="catalog", container="app")
    kubernetes_validate.validate(hpa, "1.37", strict=True)
    spec = hpa["spec"]
    assert of_hpa(spec).down == proposal.found.chosen.behaviour.down
    assert spec["minReplicas"] == proposal.value("minReplicas") <= spec["maxReplicas"]
    external, cpu = spec["metrics"]
    target = external["external"]["target"]["averageValue"]
    assert float(target) == pytest.approx(proposal.value("capacityPerPod") * proposal.found.chosen.share, rel=1e-3)
    assert cpu["containerResource"]["container"] == "app"
    assert forecast["spec"]["capacityPerPod"] == target
    assert (
        forecast["spec"]["scaleDownStabilizationSeconds"] == spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
    )
    assert float(forecast["spec"]["bounds"]["minimum"]) == float(target) * spec["minReplicas"]


def test_batch_has_no_cpu_metric_and_may_be_empty(history: Measured) -> None:
    found = proposed(history, Wishes(WorkloadType.BATCH))
    hpa, _ = objects(found, namespace="mcp", name="worker", container="app")
    assert len(hpa["spec"]["metrics"]) == 1
    assert found.value("minReplicas") >= 0
