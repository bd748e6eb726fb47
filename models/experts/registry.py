"""All experts by name.

To add one: (1) a file here with the two classes of base.py, which imports no other expert; (2) a line in `experts`;
(3) its module in pyproject.toml's contract of independence; (4) tests/forecasting/test_expert_contract.py passes
without a change; (5) `make bench-forecast` before and after, both tables in the commit's message.
"""

from collections.abc import Mapping

from models.experts.base import Expert
from models.experts.boosted_quantile import BoostedQuantile
from models.experts.linear_quantile import LinearQuantile
from models.experts.linear_spread import LinearSpread
from models.experts.reactive import Reactive
from models.experts.seasonal import Seasonal
from models.experts.smoothed import Smoothed


def experts() -> Mapping[str, Expert]:
    """Name -> expert with its defaults."""
    known: tuple[Expert, ...] = (
        Reactive(),
        Smoothed(),
        Seasonal(),
        LinearSpread(),
        LinearQuantile(),
        BoostedQuantile(),
    )
    return {one.name: one for one in known}


def fleet_experts() -> Mapping[str, Expert]:
    """Those that cost milliseconds a workload: for fleets of thousands."""
    return {name: one for name, one in experts().items() if name not in ("linear quantiles", "boosted quantiles")}
