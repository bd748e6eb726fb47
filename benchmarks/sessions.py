"""Sessions that live in pods, minute by minute: how many does scaling in end before their time?

As many sessions are alive as the load says: missing ones begin, at the ready pod with the fewest; too many end, those
first that would end soonest. A pod that is scaled in takes no new ones, and after its drain what is left is killed;
whoever was killed comes back, since the load still says so.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

_MEDIAN_MINUTES, _SIGMA = 10.0, 1.0  # lognormal: a mean of 16 minutes, one in twenty longer than 52


@dataclass(frozen=True)
class ScaleIn:
    """drain_minutes: between the end of new sessions and the kill. fewest: pods with the fewest sessions go first;
    otherwise Kubernetes' own order: not ready, then newest."""

    drain_minutes: int
    fewest: bool


@dataclass(frozen=True)
class SessionOutcome:
    """draining_pod_minutes: of pods that were scaled in and still had sessions; they are paid for too."""

    begun: int
    killed: int
    removed_pods: int
    draining_pod_minutes: int


@dataclass(eq=False)
class _Pod:
    born: int
    ready: int
    ends: list[int] = field(default_factory=list)


def play(
    active: NDArray[np.int64],
    asked: NDArray[np.int64],
    *,
    lead_minutes: int,
    scale_in: ScaleIn,
    rng: np.random.Generator,
) -> SessionOutcome:
    """active, asked: sessions wanted and pods asked for in each minute. The first minute's pods are ready."""
    lifetimes = _lifetimes(rng)
    pods = [_Pod(-number, 0) for number in range(int(asked[0]))]
    draining: list[tuple[int, _Pod]] = []
    begun = killed = removed = drained = 0
    for minute, (sessions, wanted) in enumerate(zip(active.tolist(), asked.tolist(), strict=True)):
        for pod in (*pods, *(one for _, one in draining)):
            _expire(pod, minute)
        pods += [_Pod(minute, minute + lead_minutes) for _ in range(wanted - len(pods))]
        leaving = _chosen(pods, len(pods) - wanted, minute, fewest=scale_in.fewest)
        pods = [one for one in pods if one not in leaving]
        draining += [(minute + scale_in.drain_minutes, one) for one in leaving]
        removed += len(leaving)
        killed += sum(len(one.ends) for until, one in draining if until <= minute)
        draining = [(until, one) for until, one in draining if until > minute and one.ends]
        drained += len(draining)
        serving = [one for one in pods if one.ready <= minute]
        alive = sum(len(one.ends) for one in (*pods, *(each for _, each in draining)))
        _end_early([*pods, *(one for _, one in draining)], alive - sessions)
        begun += _begin(serving, sessions - alive, minute, lifetimes)
    return SessionOutcome(begun, killed, removed, drained)


def _lifetimes(rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from np.ceil(rng.lognormal(np.log(_MEDIAN_MINUTES), _SIGMA, 4096)).astype(int).tolist()


def _expire(pod: _Pod, minute: int) -> None:
    while pod.ends and pod.ends[0] <= minute:
        heapq.heappop(pod.ends)


def _chosen(pods: Sequence[_Pod], many: int, minute: int, *, fewest: bool) -> list[_Pod]:
    def rank(pod: _Pod) -> tuple[bool, int, int]:
        return (pod.ready <= minute, len(pod.ends) if fewest else 0, -pod.born)

    return sorted(pods, key=rank)[: max(many, 0)]


def _end_early(pods: Sequence[_Pod], many: int) -> None:
    heads = [(one.ends[0], place) for place, one in enumerate(pods) if one.ends]
    heapq.heapify(heads)
    for _ in range(max(many, 0)):
        _, place = heapq.heappop(heads)
        heapq.heappop(pods[place].ends)
        if pods[place].ends:
            heapq.heappush(heads, (pods[place].ends[0], place))


def _begin(serving: Sequence[_Pod], many: int, minute: int, lifetimes: Iterator[int]) -> int:
    order = count()
    queue = [(len(one.ends), next(order), one) for one in serving]
    heapq.heapify(queue)
    for _ in range(max(many, 0) if queue else 0):
        sessions, place, pod = heapq.heappop(queue)
        heapq.heappush(pod.ends, minute + next(lifetimes))
        heapq.heappush(queue, (sessions + 1, place, pod))
    return max(many, 0) if queue else 0
