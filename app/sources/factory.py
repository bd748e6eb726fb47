"""The one place that knows all sources."""

import random
from pathlib import Path

from app.clock import Clock
from app.errors import ConfigurationError
from app.settings import Settings
from app.sources.base import Source
from app.sources.csv import csv_source
from app.sources.prometheus import OnRequest, prometheus_source


def make_source(
    settings: Settings,
    *,
    clock: Clock,
    on_request: OnRequest | None = None,
    rng: random.Random | None = None,
) -> Source:
    """The source that the settings name; raises ConfigurationError.

    on_request: told the outcome of each request (ok, partial, unavailable, refused, rejected). rng: for the jitter of
    retries; by default seeded by the operating system, so that replicas differ.
    """
    if settings.source == "csv":
        return csv_source(_named(settings.csv_file), now=clock.now)
    return prometheus_source(settings, rng=rng or random.Random(), on_request=on_request)  # noqa: S311 - not a secret


def _named(path: Path | None) -> Path:
    if path is None:
        raise ConfigurationError("source=csv needs FORESCALE_CSV_FILE")
    return path
