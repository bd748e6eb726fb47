"""The pipeline in a process of its own, as the serving process sees it: started, supervised, listened to.

What comes through the pipe: a tuple of LoadForecasts whenever it changed, and a Snapshot without them per pass.
"""

import dataclasses
import gc
import logging
import multiprocessing
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from app import spans
from app.clock import Clock
from app.pipeline import entry
from app.settings import Settings
from app.snapshot import Snapshot, SnapshotStore
from app.telemetry import RESTARTS

log = logging.getLogger(__name__)

_STOP_SECONDS = 3.0
_BACK_OFF_SECONDS = 1.0
_BACK_OFF_LIMIT_SECONDS = 60.0


class PipelineHost:
    """Runs the pipeline's process, puts its snapshots into the store, and starts it again when it dies."""

    def __init__(self, settings: Settings, *, clock: Clock, store: SnapshotStore) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._context = multiprocessing.get_context("spawn")
        self._stopping = threading.Event()
        self._process: BaseProcess | None = None
        self._link: Connection | None = None
        self._restarts = 0
        self._thread = threading.Thread(target=self._supervise, name="forescale-pipeline-host", daemon=True)

    @property
    def restarts(self) -> int:
        """How often the process had to be started again."""
        return self._restarts

    @property
    def process_id(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Starts the process and the thread that listens to it."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the process; returns when it is gone. One that is still starting is not waited for."""
        self._stopping.set()
        self._hang_up()
        self._thread.join(timeout=_STOP_SECONDS)
        if self._process is not None and self._process.is_alive():
            self._process.kill()
        self._thread.join()

    def _hang_up(self) -> None:
        try:
            if self._link is not None:
                self._link.send("stop")
        except (OSError, ValueError):
            log.debug("the pipeline's process is already gone")

    def _supervise(self) -> None:
        back_off = _BACK_OFF_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            self._run_once()
            if self._stopping.is_set():
                return
            back_off = (
                _BACK_OFF_SECONDS if time.monotonic() - started > 300 else min(2 * back_off, _BACK_OFF_LIMIT_SECONDS)
            )
            self._restarts += 1
            log.error("the pipeline's process died, next try in %.0f s; values served go stale until then", back_off)
            self._stopping.wait(back_off)

    def _run_once(self) -> None:
        self._link, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=entry.pipeline, args=(self._settings, self._clock, theirs), name="forescale-pipeline"
        )
        self._process.start()
        theirs.close()
        try:
            self._listen(self._link)
        finally:
            self._link.close()
            self._process.join(timeout=5)

    def _listen(self, link: Connection) -> None:
        latest: Snapshot | None = None
        while True:
            try:
                message = link.recv()
            except (EOFError, OSError):
                return
            if isinstance(message, Snapshot):
                with spans.opened(spans.TAKE_IN, {spans.CUT: message.cut_s}, carrier=message.trace):
                    latest = self._complete(message, latest)
                    if message.forecasts:
                        _ = latest.rows  # made here, not by the first request
                        gc.freeze()  # they stay for long; looking through them for cycles would stop the doors
                    self._store.replace(latest)

    def _complete(self, message: Snapshot, latest: Snapshot | None) -> Snapshot:
        """Adds what is sent only when it changes, and what only this side knows."""
        counters = {**message.counters, RESTARTS.name: float(self._restarts)}
        if message.forecasts or not len(message.served) or latest is None:
            return dataclasses.replace(message, counters=counters)
        snapshot = dataclasses.replace(message, forecasts=latest.forecasts, counters=counters)
        snapshot.__dict__["rows"] = latest.rows  # the cached index of the same workloads
        return snapshot
