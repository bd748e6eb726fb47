"""A store on loopback and a source that asks it, with waits recorded instead of waited."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from app.settings import Settings
from app.sources.prometheus import PrometheusSource, prometheus_source
from tests.sources.fake_store import FakeStore


@dataclass
class Rig:
    """A source, the waits it asked for, and the outcomes it counted."""

    source: PrometheusSource
    waits: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


MakeRig = Callable[..., Rig]


@pytest.fixture
def store() -> Iterator[FakeStore]:
    with FakeStore().running() as running:
        yield running


@pytest.fixture
def make_rig(store: FakeStore) -> Iterator[MakeRig]:
    """make_rig(max_answer_bytes=..., **settings): a source that asks the store, or prometheus_url if it is given."""
    rigs: list[Rig] = []

    def make(*, max_answer_bytes: int = 2**20, seed: int = 1, **settings: object) -> Rig:
        waits: list[float] = []
        outcomes: Counter[str] = Counter()
        defaults = {"prometheus_url": store.url, "prometheus_timeout_seconds": 5, "authentication": "none"}
        source = prometheus_source(
            Settings(**{**defaults, "host": "127.0.0.1", **settings}),
            rng=random.Random(seed),
            on_request=lambda outcome: outcomes.update((outcome,)),
            sleep=waits.append,
            max_answer_bytes=max_answer_bytes,
        )
        rigs.append(Rig(source, waits, outcomes))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.source.close()


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig()
