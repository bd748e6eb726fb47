"""All forecasters by name. Whoever adds one adds it here and passes tests/forecasting/test_forecaster_contract.py."""

from collections.abc import Mapping

from models.forecasters.base import Forecaster
from models.forecasters.reactive import Reactive
from models.forecasters.seasonal_profile import SeasonalProfile


def forecasters() -> Mapping[str, Forecaster]:
    """Name -> forecaster with its defaults."""
    known: tuple[Forecaster, ...] = (Reactive(), SeasonalProfile())
    return {one.name: one for one in known}
