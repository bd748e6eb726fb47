"""The types of workloads, each with a policy, loads and prices, and what three policies cost on a load.

The behaviours are read off the rendered components of k8s/policies. Each load is replayed minute by minute through the
HPA's law with its windows, rate policies and tolerance; the second half is scored. Three policies:
HPA only: CPU at 70 % of what a pod serves, Kubernetes' default behaviour. Best reacting: the component's behaviour, the
target chosen in hindsight. Ours: the component with the forecast, nothing from the future.
"""

import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import yaml
from numpy.typing import NDArray

from app.pipeline.rehearsal import RehearsalOptions, rehearse
from app.planning.behaviour import Behaviour, asked_pods, kubernetes_default, of_hpa
from app.planning.score import UTILISATIONS
from app.sources.history_file import HistoryFile, read_history
from models.hpa import ready_pods
from models.series import Series

ROOT = Path(__file__).parents[1]
DAYS = 28  # of each load at most, its end: two weeks to learn from, two that are scored
UNBOUNDED = 1_000_000  # maxReplicas is the user's, not the policy's; here it would only cut peaks off
TARGET = 0.7
ON_DEMAND, SPOT = 0.0125, 0.0045  # $ a pod-hour: 16 pods on a node of 0.20 or of 0.07 an hour

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """A type. user: a tree that uses its component. pods: on average, of the scored half. price: of a missing pod."""

    name: str
    user: str
    traces: tuple[str, str, str]
    pods: int
    lead_minutes: int
    price: float
    pod_hour: float

    @property
    def behaviour(self) -> Behaviour:
        """As shipped."""
        return replace(of_hpa(_hpa(self.user)), max_pods=UNBOUNDED)


SAMPLES = "examples/mcp/k8s/base"
KINDS = (
    Kind("registry", f"{SAMPLES}/registry", ("nasa_http", "nab_tweets_amzn", "taylor_demand"), 4, 2, 20, ON_DEMAND),
    Kind("stateless", f"{SAMPLES}/catalog", ("nab_elb_requests", "nasa_http", "nab_nyc_taxi"), 20, 2, 20, SPOT),
    Kind(
        "stateful", f"{SAMPLES}/workshop", ("nab_nyc_taxi", "nasa_http", "servegen_client_small"), 6, 2, 40, ON_DEMAND
    ),
    Kind(
        "agent",
        f"{SAMPLES}/agent",
        ("servegen_llm_mid", "servegen_client_small", "nab_asg_cpu_misconf"),
        10,
        2,
        10,
        ON_DEMAND,
    ),
    Kind(
        "batch",
        "k8s/examples/queue-worker",
        ("google2019_cpu", "alibaba2018_cpu_10s", "nab_asg_cpu_misconf"),
        10,
        5,
        3,
        SPOT,
    ),
)


@dataclass(frozen=True)
class Played:
    """One policy on one load. overload: share of the demand that ready pods could not serve."""

    cost: float
    pod_minutes: float
    overload: float
    money: float
    removed: float


@dataclass(frozen=True)
class Load:
    """The scored half of a trace. needed: pods; known: the newest number at each minute, served: by the forecast."""

    needed: _Floats
    known: _Floats
    served: _Floats


def policies(kind: Kind, load: Load) -> tuple[Played, Played, Played]:
    """HPA only, best reacting in hindsight, ours."""
    reacting = asked_pods(load.known / TARGET, [only_hpa(kind)], step_seconds=60)
    swept = np.stack([load.known / share for share in UTILISATIONS])
    best = asked_pods(swept, [kind.behaviour] * len(swept), step_seconds=60)
    ours = asked_pods(wanted(load), [kind.behaviour], step_seconds=60)
    found = [_played(kind, load, one) for one in best]
    return _played(kind, load, reacting[0]), min(found, key=lambda one: one.cost), _played(kind, load, ours[0])


def only_hpa(kind: Kind) -> Behaviour:
    """Kubernetes' default."""
    return kubernetes_default(min_pods=max(kind.behaviour.min_pods, 1))


def wanted(load: Load) -> _Floats:
    """The larger of the forecast and of what CPU says: a pod at its capacity is at the CPU target."""
    return np.fmax(load.served, load.known)


def _played(kind: Kind, load: Load, asked: _Floats) -> Played:
    ready = ready_pods(asked[None], lead_steps=kind.lead_minutes)[0]
    short = np.maximum(load.needed - ready, 0).sum()
    least = np.maximum(np.ceil(load.needed - 1e-9), kind.behaviour.min_pods).sum()
    return Played(
        cost=float(asked.sum() + kind.price * short) / float(least),
        pod_minutes=float(asked.sum()),
        overload=float(short / load.needed.sum()),
        money=float(asked.sum()) / 60 * kind.pod_hour,
        removed=float(np.maximum(-np.diff(asked), 0).sum()),
    )


def load_of(kind: Kind, folder: Path, trace: str, kept: Path | None) -> Load:
    """The end of a trace, replayed; kept: where replays are found again."""
    file = _end(read_history(folder / f"{trace}.csv.gz"))
    half = file.demand.size // 2
    capacity = float(file.demand[half:].mean()) / kind.pods
    options = RehearsalOptions(
        kind.lead_minutes,
        1,
        kind.price,
        capacity,
        file.delay_minutes,
        stabilization_minutes=kind.behaviour.down.window_seconds // 60,
    )
    served = _rehearsed(file, trace, options, kept)
    return Load(file.demand[half:] / capacity, file.demand[half - 1 : -1] / capacity, served[half:] / capacity)


def _end(file: HistoryFile) -> HistoryFile:
    first = max(file.demand.size - DAYS * 1_440, 0)
    known = Series(file.known.start_s + 60 * first, 60, file.known.values[:, first:])
    return HistoryFile(file.name, known, file.demand[first:], file.delay_minutes)


def _rehearsed(file: HistoryFile, trace: str, options: RehearsalOptions, kept: Path | None) -> _Floats:
    place = None if kept is None else kept / f"{trace}-{joblib.hash((options, file.known.values))}.joblib"
    if place is not None and place.exists():
        found: _Floats = joblib.load(place)
        return found
    served = rehearse(file.known, options, on_progress=lambda share: None).capacity
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(served, place)
    return served


@cache
def _hpa(user: str) -> dict[str, object]:
    command = [str(Path(sys.executable).with_name("kubectl")), "kustomize", str(ROOT / user)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (found,) = (one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "HorizontalPodAutoscaler")
    spec: dict[str, object] = found["spec"]
    return spec
