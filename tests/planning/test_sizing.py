"""Pods of several sizes: enough for the load, never flapping, whatever the HPA does with them."""

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.planning.sizing import SizeColumns, factor_of, served_for, sizes_of
from app.workloads.book import PodSizes
from app.workloads.spec import CapacityScaling

EACH = 12.0  # capacityPerPod
MI = 2.0**20
SCALING = CapacityScaling(container="server", resource="memory", reference="512Mi", idle="128Mi")
FREE = CapacityScaling(container="server", resource="cpu", reference=1, min_factor=0.05, max_factor=20)

factors = st.integers(1, 40).map(lambda tenths: tenths / 10)
fleets = st.lists(factors, min_size=1, max_size=12)


def served(load: float, sizes: PodSizes | None) -> float:
    columns = SizeColumns.of([sizes])
    return float(served_for(np.array([load]), capacity_per_pod=np.array([EACH]), sizes=columns)[0])


def replicas(load: float, pods: Sequence[float]) -> int:
    """What an HPA with averageValue capacityPerPod makes of the number served for pods of these sizes."""
    return math.ceil(round(served(load, sizes_of(pods, FREE)) / EACH, 6))


@pytest.mark.parametrize(
    ("request_mi", "factor"),
    [(512, 1.0), (320, 0.5), (128, 0.5), (64, 0.5), (704, 1.5), (896, 2.0), (4096, 2.0), (513, 1.003)],
)
def test_a_pod_carries_what_lies_above_idle_within_the_bounds(request_mi: float, factor: float) -> None:
    assert factor_of(request_mi * MI, SCALING) == factor


def test_pods_are_summed_up_the_newest_being_the_last() -> None:
    assert sizes_of([512 * MI, 896 * MI, 320 * MI], SCALING) == PodSizes(3, 3.5, newest=0.5, largest=2.0)


def test_without_pods_those_to_come_are_like_the_newest_there_was() -> None:
    before = PodSizes(4, 5.0, newest=1.5, largest=2.0)
    assert sizes_of([], SCALING, before=before) == PodSizes(0, 0.0, newest=1.5, largest=1.5)
    assert sizes_of([], SCALING) is None


@settings(deadline=None)
@given(st.floats(0, 1e9), factors, st.integers(0, 50))
def test_pods_of_one_size_divide_the_load_however_many_there_are(load: float, factor: float, pods: int) -> None:
    assert served(load, PodSizes(pods, round(pods * factor, 3), factor, factor)) == pytest.approx(load / factor)


@settings(deadline=None)
@given(st.floats(0, 1e9), st.integers(0, 50))
def test_pods_of_the_reference_size_leave_the_number_exactly_as_it_is(load: float, pods: int) -> None:
    assert served(load, PodSizes(pods, float(pods), 1.0, 1.0)) == load
    assert served(load, None) == load


@pytest.mark.parametrize("pods", range(1, 20))
@pytest.mark.parametrize("factor", [0.1, 0.7, 1.1, 2.3])
def test_no_load_is_exactly_zero_where_all_pods_are_alike(pods: int, factor: float) -> None:
    """A trace of binary noise would be rounded up to a thousandth, and to a pod where there may be none."""
    assert served(0.0, PodSizes(pods, round(pods * factor, 3), factor, factor)) == 0


def test_no_number_stays_none() -> None:
    assert math.isnan(served(math.nan, PodSizes(3, 4.0, 1.0, 2.0)))


@settings(deadline=None)
@given(fleets, st.floats(0, 100))
def test_missing_capacity_is_made_up_with_pods_like_the_newest(pods: list[float], beyond: float) -> None:
    load = (sum(pods) + beyond) * EACH
    added = replicas(load, pods) - len(pods)
    assert (sum(pods) + added * pods[-1]) * EACH >= load - 1e-3
    assert (sum(pods) + (added - 1) * pods[-1]) * EACH < load + 1e-3


@settings(deadline=None)
@given(fleets, st.floats(0, 1), st.randoms(use_true_random=False))
def test_whichever_pods_are_removed_those_that_stay_carry_the_load(
    pods: list[float], share: float, rng: random.Random
) -> None:
    load = sum(pods) * share * EACH
    wanted = replicas(load, pods)
    assert wanted <= len(pods)
    assert sum(rng.sample(pods, wanted)) * EACH >= load - 1e-3


@settings(deadline=None)
@given(fleets, st.floats(1, 10), st.floats(0, 1))
def test_the_number_stays_while_the_pods_it_asked_for_come(pods: list[float], growth: float, share: float) -> None:
    load = sum(pods) * growth * EACH
    wanted = replicas(load, pods)
    added = int(share * (wanted - len(pods)))
    assert replicas(load, [*pods, *[pods[-1]] * added]) == wanted


@settings(deadline=None)
@given(fleets, st.floats(0, 50), st.floats(0, 50))
def test_more_load_never_asks_for_fewer_pods(pods: list[float], one: float, other: float) -> None:
    assert replicas(min(one, other) * EACH, pods) <= replicas(max(one, other) * EACH, pods)


@pytest.mark.parametrize("new", [0.2, 0.5, 0.9, 1.1, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_new_size_rolled_out_under_a_steady_load_moves_replicas_one_way_only(new: float, seed: int) -> None:
    """One pod after the other is replaced; the HPA acts between, and scale-in takes pods as it likes."""
    rng, load = random.Random(seed), 20 * EACH
    pods, counts = [1.0] * 20, [20]
    while any(one != new for one in pods):
        pods.remove(next(one for one in pods if one != new))
        pods.append(new)
        pods = scaled(pods, replicas(load, pods), new, rng)
        assert sum(pods) * EACH >= load - 1e-3
        counts.append(len(pods))
    assert len(pods) == math.ceil(20 / new)
    assert counts == sorted(counts, reverse=new > 1)


@pytest.mark.parametrize("new", [0.25, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(5))
def test_with_a_new_size_for_new_pods_alone_replicas_settle_at_every_load(new: float, seed: int) -> None:
    """As with a VPA in mode Initial: pods that run keep their size, those that are added have the new one. At first
    that is not known; from the second step on the load is carried, and pods are only given back."""
    rng = random.Random(seed)
    pods = [1.0] * 10
    for load in (10, 25, 6, 14, 3, 30):
        counts = []
        for step in range(30):
            pods = scaled(pods, replicas(load * EACH, pods), new, rng)
            counts.append(len(pods))
            assert step == 0 or sum(pods) >= load - 1e-6
        assert len(set(counts[-10:])) == 1
        assert counts[1:] == sorted(counts[1:], reverse=True)


def test_a_mean_of_the_sizes_in_its_place_swings_where_this_does_not() -> None:
    """Why not simply divide by the mean: each pod that is added moves what it was asked for by. Scale-in takes the pods
    that were created last first, as a ReplicaSet does."""

    def history(asked: Callable[[list[float]], int]) -> list[int]:
        pods, seen = [1.0] * 10, []
        for _ in range(40):
            wanted = asked(pods)
            pods = pods[:wanted] + [4.0] * (wanted - len(pods))
            seen.append(len(pods))
        return seen[-10:]

    by_mean = history(lambda pods: math.ceil(15 / (sum(pods) / len(pods))))
    assert len(set(by_mean)) > 1
    assert len(set(history(lambda pods: replicas(15 * EACH, pods)))) == 1


def test_a_path_is_sized_as_each_of_its_steps() -> None:
    sizes = SizeColumns.of([PodSizes(4, 6.0, 2.0, 2.0), None])
    each, path = np.array([EACH, 10.0]), np.array([[10.0, 50.0, 200.0], [1.0, 2.0, np.nan]])
    found = served_for(path, capacity_per_pod=each, sizes=sizes)
    for step in range(3):
        alone = served_for(path[:, step], capacity_per_pod=each, sizes=sizes)
        np.testing.assert_array_equal(found[:, step], alone)
    np.testing.assert_array_equal(found[1], path[1])
    np.testing.assert_array_equal(sizes.at(np.array([1])).largest, [1.0])


def scaled(pods: list[float], wanted: int, new: float, rng: random.Random) -> list[float]:
    """The pods after an HPA's step: more are new ones, fewer are any; the one created last stays the last."""
    if wanted >= len(pods):
        return pods + [new] * (wanted - len(pods))
    kept = sorted(rng.sample(range(len(pods)), max(wanted, 1)))
    return [pods[place] for place in kept]


@pytest.mark.parametrize(
    ("margin", "idle_mi", "settles"),
    [(1.15, 128, True), (1.15, 64, True), (1.15, 0, True), (1.6, 128, False)],
)
def test_with_a_vertical_autoscaler_on_the_same_resource_the_loop_never_swings(
    margin: float, idle_mi: float, settles: bool
) -> None:
    """Larger pods are given more load, use more memory, are made larger: a gain below 1 settles, above it ends at a
    bound. It is never negative, so sizes go one way."""
    really_idle, of_full_load = 128.0, 300.0  # Mi of a pod: without load, and what capacityPerPod adds
    scaling = CapacityScaling(container="server", resource="memory", reference="512Mi", idle=f"{idle_mi:g}Mi")
    request, seen = 600.0, [600.0]
    for _ in range(400):
        load = factor_of(request * MI, scaling)
        request = margin * (really_idle + of_full_load * load)
        seen.append(request)
    gain = margin * of_full_load / (512 - idle_mi)
    assert (gain < 1) == settles
    assert seen[1:] in (sorted(seen[1:]), sorted(seen[1:], reverse=True))
    assert (factor_of(request * MI, scaling) < 2) == settles
