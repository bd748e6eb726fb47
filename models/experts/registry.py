"""All experts by name.

To add one: (1) a file here with the two classes of base.py, which imports no other expert; (2) a line in `experts`;
(3) its module in pyproject.toml's contract of independence; (4) tests/forecasting/test_expert_contract.py passes
without a change; (5) `make bench-forecast` before and after, both tables in the commit's message.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from models.experts.base import Expert
from models.experts.boosted_spread import BoostedSpread
from models.experts.linear_quantile import LinearQuantile
from models.experts.linear_spread import LinearSpread
from models.experts.periodic import Periodic
from models.experts.reactive import Reactive
from models.experts.seasonal import Seasonal
from models.experts.smoothed import Smoothed


@dataclass(frozen=True)
class Roster:
    """Experts that work together. bands: regressions for the path too."""

    experts: tuple[Expert, ...]
    bands: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Of all candidates."""
        return tuple(label for one in self.experts for label in one.labels)


CAREFUL, FLEET, LARGE_FLEET = "careful", "fleet", "large fleet"

_FLEET_FACTOR = 50  # so many times the workloads that get every expert make a large fleet


def rosters() -> Mapping[str, Roster]:
    """From seconds a workload (all experts) over tens of milliseconds to a few."""
    spread = LinearSpread(whole_levels=(), samples=2_000)
    smoothed = Smoothed(half_lives_seconds=(600, 2_400), margins=(1.5, 3.5))
    return {
        CAREFUL: Roster(tuple(experts().values()), bands=True),
        FLEET: Roster((Reactive(), Smoothed(), Seasonal(), spread)),
        LARGE_FLEET: Roster((Reactive(), smoothed, Seasonal())),
    }


def roster_for(workloads: int, *, careful_workloads: int) -> str:
    """Which of the rosters so many workloads can afford."""
    if workloads <= careful_workloads:
        return CAREFUL
    return FLEET if workloads <= _FLEET_FACTOR * careful_workloads else LARGE_FLEET


def experts() -> Mapping[str, Expert]:
    """Name -> expert with its defaults."""
    known: tuple[Expert, ...] = (
        Reactive(),
        Smoothed(),
        Seasonal(),
        Periodic(),
        LinearSpread(),
        LinearQuantile(),
        BoostedSpread(),
    )
    return {one.name: one for one in known}
