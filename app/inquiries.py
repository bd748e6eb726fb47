"""Questions that take longer than a request may: asked at a door, answered by the pipeline's side, read at a door.

What was served at some past time, and what a policy would have cost on a past, need histories and fits. The doors
know this interface alone; nothing in here computes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.snapshot import Snapshot
from app.workloads.book import PodSizes
from app.workloads.spec import LoadForecast


@dataclass(frozen=True)
class ThenQuestion:
    """What was served at at_s (Unix seconds)? fleet: workloads of the service, on whose number the experts depend.

    lead_seconds, lead_origin: planned with then, if whoever asks knows it, else now. price (of a missing pod-minute),
    sizes: those of now; past ones are not written down anywhere. price None: as the LoadForecast says.
    """

    forecast: LoadForecast
    at_s: int
    lead_seconds: int
    lead_origin: str
    fleet: int
    price: float | None = None
    sizes: PodSizes | None = None

    @property
    def scope(self) -> str:
        """Whose question it is: the LoadForecast's key."""
        return self.forecast.key


@dataclass(frozen=True)
class WhatIfTerms:
    """What is assumed. price: a missing pod-minute in idle ones. capacity_per_pod: in the unit of the history; None: a
    20th of the mean before the scored part. scored_from: share of the history that only teaches. The next four are the
    HPA's; pod_hour_cost is money in any currency. time_zone: IANA name; None: the LoadForecast's, of a file UTC.
    """

    lead_minutes: int = 5
    price: float = 20.0
    capacity_per_pod: float | None = None
    every_minutes: int = 1
    scored_from: float = 0.5
    fleet: bool = False
    target_utilisation: float = 0.7
    tolerance: float = 0.1
    stabilization_minutes: int = 5
    min_pods: int = 1
    pod_hour_cost: float | None = None
    time_zone: str | None = None


@dataclass(frozen=True)
class WhatIfQuestion:
    """What would a past have cost? Either of a workload, its last `days`, or of a CSV `timestamp,value`."""

    terms: WhatIfTerms
    forecast: LoadForecast | None = None
    days: float = 28
    csv: bytes = b""
    name: str = ""

    @property
    def scope(self) -> str:
        """Whose question it is: the LoadForecast's key, or empty for an upload."""
        return self.forecast.key if self.forecast is not None else ""


Question = ThenQuestion | WhatIfQuestion


@dataclass(frozen=True)
class Asked:
    """A question on its way to the process that answers, with the trace of the request that asked."""

    question: Question
    trace: Mapping[str, str]


@dataclass(frozen=True)
class PolicyCost:
    """cost: J, pods and price x missing pods over the least possible; pods: the first part of it. overload: share of
    the demand that ready pods could not serve. money: of the pods, None where pod_hour_cost was not given.
    """

    name: str
    cost: float
    pods: float
    overload: float
    minutes_short: int
    pod_minutes: float
    short_pod_minutes: float
    money: float | None


@dataclass(frozen=True)
class Curves:
    """For plotting: each number is the largest (pods ready: the least) of its span. times_s: (points,).

    demand: in pods. ready: of each policy by its name, in pods.
    """

    times_s: NDArray[np.int64]
    demand: NDArray[np.float64]
    ready: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class WhatIfAnswer:
    """policies: the HPA as given, the best way of reacting in hindsight, with the forecast, with a perfect forecast.

    gap_closed: share of what a perfect forecast would save over the best way of reacting. acting_share: of the scored
    time in which the forecast was trusted. sentence: whether prediction would have helped.
    """

    history: str
    terms: WhatIfTerms
    capacity_per_pod: float
    scored_minutes: int
    policies: Mapping[str, PolicyCost]
    gap_closed: float | None
    acting_share: float
    sentence: str
    curves: Curves


Answer = Snapshot | WhatIfAnswer


class State(StrEnum):
    """Of a question."""

    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"


@dataclass(frozen=True)
class Inquiry:
    """One question under way or answered. progress: 0 to 1. answer: with DONE; text: with FAILED, what to change."""

    identity: str
    scope: str
    state: State
    progress: float = 0.0
    answer: Answer | None = None
    text: str = ""


class TooManyInquiries(Exception):
    """More wait already than may; ask again later."""


class Inquiries(Protocol):
    """Who answers questions, one after another."""

    def ask(self, question: Question) -> Inquiry:
        """Queues a question; one that is known already is found again. Raises TooManyInquiries."""

    def find(self, identity: str) -> Inquiry | None:
        """How far it is; None: unknown, or answered too long ago."""
