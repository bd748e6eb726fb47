"""All forecasters of the path by name; each may also be an expert, as in `Seasonal(Harmonics())`.

To add one: (1) a file here with a class of base.py's protocol, which imports no other forecaster; (2) a line below;
(3) its module in pyproject.toml's contract of independence; (4) tests/forecasting/test_forecaster_contract.py passes
without a change.
"""

from collections.abc import Mapping

from models.forecasters.base import Forecaster
from models.forecasters.classics import auto_reg, ets, mstl
from models.forecasters.harmonics import Harmonics
from models.forecasters.reactive import Reactive
from models.forecasters.seasonal_profile import SeasonalProfile


def forecasters() -> Mapping[str, Forecaster]:
    """Name -> forecaster with its defaults."""
    known: tuple[Forecaster, ...] = (Reactive(), SeasonalProfile(), Harmonics(), ets(), mstl(), auto_reg())
    return {one.name: one for one in known}
