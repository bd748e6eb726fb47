"""The pipeline's process from the inside: passes until the serving process says stop, or is gone."""

import contextlib
import dataclasses
import gc
import os
import signal
import threading
from multiprocessing.connection import Connection

from app import spans
from app.clock import Clock
from app.pipeline.loop import run_pipeline
from app.settings import Settings
from app.snapshot import Snapshot
from app.telemetry import set_up_logging

_NICENESS = 5  # a pass may wait for a request, a request not for a pass; fits are 10 lower still


def run(settings: Settings, clock: Clock, link: Connection) -> None:
    """Runs in the process. link: snapshots go out, any word or its end comes in."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the serving process decides
    set_up_logging(settings.log_level, settings.log_format)
    last_spans = spans.set_up_tracing("pipeline")
    os.nice(_NICENESS)
    # An answer of the store is a million small objects without cycles; at the default the collector doubles the time.
    gc.set_threshold(100_000, 50, 100)
    stop = threading.Event()
    threading.Thread(target=_wait_for_stop, args=(link, stop), daemon=True).start()
    sent: list[tuple[object, ...]] = [()]

    def publish(snapshot: Snapshot) -> None:
        known = sent[0] is snapshot.forecasts
        sent[0] = snapshot.forecasts
        with spans.opened(spans.PUBLISH, {spans.CUT: snapshot.cut_s}, carrier=snapshot.trace):
            link.send(dataclasses.replace(snapshot, forecasts=()) if known else snapshot)

    try:
        run_pipeline(settings, clock=clock, publish=publish, stop=stop)
    finally:
        last_spans()


def _wait_for_stop(link: Connection, stop: threading.Event) -> None:
    """A word from the serving process ends the pipeline, and so does that process's own end."""
    with contextlib.suppress(EOFError, OSError):
        link.recv()
    stop.set()
