"""The last weeks of one workload, read from the store at once: what a what-if needs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.clock import Clock
from app.errors import ConfigurationError, SourceUnavailable
from app.pipeline.collect import Collector
from app.pipeline.history import HistoryPanel
from app.pipeline.loop import cut_at
from app.settings import Settings
from app.sources.factory import make_source
from app.sources.history_file import MINUTE_SECONDS, HistoryFile, on_minutes
from app.workloads.spec import LoadForecast
from models.series import RawHistory

_SAMPLES_PER_PASS = 50_000
_FAILURES = 5


def workload_history(
    forecast: LoadForecast, *, days: float, settings: Settings, clock: Clock, on_progress: Callable[[float], None]
) -> HistoryFile:
    """On a grid of minutes up to now. Raises SourceUnavailable, and ConfigurationError where there is too little."""
    now_s = cut_at(clock.now(), settle_seconds=settings.settle_seconds, refresh_seconds=settings.refresh_seconds)
    steps = max(int(days * 86_400 // MINUTE_SECONDS), 2)
    panel = HistoryPanel(keep_steps=steps, step_seconds=MINUTE_SECONDS)
    source = make_source(settings, clock=clock)
    failures = 0
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="source") as executor:
            collector = Collector(source, panel, executor=executor, samples_per_pass=_SAMPLES_PER_PASS)
            while not collector.complete(forecast.key):
                trouble = collector.collect((forecast,), cut_s=now_s).troubles.get(forecast.key)
                failures = failures + 1 if trouble is not None else 0
                if trouble is not None and (failures >= _FAILURES or not collector.begun(forecast.key)):
                    raise SourceUnavailable(f"{forecast.key}: {trouble.text}")
                on_progress(min(1.0, collector.share_read(forecast.key)))
    finally:
        source.close()
    window = panel.window([forecast.key], last_s=panel.last_s or 0, steps=steps)
    values = window.values[0].astype(np.float64)
    known = np.isfinite(values)
    if not known.any():
        raise ConfigurationError(f"{forecast.key}: its query returned nothing for the last {days:g} days")
    first = int(np.argmax(known))
    times_s = window.times_s[first:].astype(np.float64)
    return on_minutes(RawHistory(times_s, values[first:]), name=forecast.key)
