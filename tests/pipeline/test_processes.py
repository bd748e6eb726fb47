"""The pipeline's process and the fits' process: started, listened to, started again, ended."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from app.clock import PlayedClock
from app.errors import FitFailed
from app.pipeline.fitting import FitJob, FitWorker, fit_block
from app.pipeline.process import PipelineHost
from app.settings import Settings
from app.snapshot import Snapshot, SnapshotStore
from models.series import Series

DAY = 86_400
START_S = 19_000 * DAY
DEADLINE_SECONDS = 60


class Announcing(SnapshotStore):
    """A store that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def replace(self, snapshot: Snapshot) -> None:
        with self._changed:
            super().replace(snapshot)
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        with self._changed:
            found = self._changed.wait_for(
                lambda: self.latest is not None and condition(self.latest), timeout=DEADLINE_SECONDS
            )
        assert found, self.latest
        assert self.latest is not None
        return self.latest


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    rows = [f"{START_S + 300 * step},{10 + step % 288 // 144}" for step in range(3 * 288)]
    (tmp_path / "load.csv").write_text("\n".join(["timestamp,load", *rows]))
    forecast = {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": "web", "namespace": "a"},
        "spec": {"targetRef": {"name": "web"}, "demand": {"query": "load"}, "capacityPerPod": 1},
    }
    (tmp_path / "workloads.yaml").write_text(yaml.safe_dump(forecast))
    return Settings(
        authentication="none",
        host="127.0.0.1",
        source="csv",
        csv_file=tmp_path / "load.csv",
        workloads_file=tmp_path / "workloads.yaml",
        history_days=2,
        history_step_seconds=300,
        refresh_seconds=60,
        staleness_seconds=900,
        log_level="error",
    )


@pytest.fixture
def store() -> Announcing:
    return Announcing()


@pytest.fixture
def host(settings: Settings, store: Announcing) -> Iterator[PipelineHost]:
    clock = PlayedClock(start_s=START_S + 2.5 * DAY, epoch_s=time.time(), speed=120)
    host = PipelineHost(settings, clock=clock, store=store)
    host.start()
    yield host
    host.stop()


def test_snapshots_arrive_cut_by_cut_and_carry_their_workloads(host: PipelineHost, store: Announcing) -> None:
    first = store.wait_for(lambda snapshot: True)
    assert [one.key for one in first.forecasts] == ["a/web"]
    assert first.served[0] >= 10
    later = store.wait_for(lambda snapshot: snapshot.cut_s > first.cut_s)
    assert later.forecasts is first.forecasts
    assert later.rows is first.rows


def test_a_pass_gives_way_to_requests(host: PipelineHost, store: Announcing) -> None:
    store.wait_for(lambda snapshot: True)
    assert psutil.Process(host.process_id).nice() > psutil.Process().nice()


def test_a_dead_pipeline_is_started_again(host: PipelineHost, store: Announcing) -> None:
    first = store.wait_for(lambda snapshot: True)
    assert host.process_id is not None
    os.kill(host.process_id, signal.SIGKILL)
    later = store.wait_for(lambda snapshot: snapshot.counters["forescale_pipeline_restarts_total"] == 1)
    assert later.cut_s > first.cut_s
    assert host.restarts == 1


def test_a_signal_shows_what_each_thread_does_and_ends_nothing() -> None:
    """In a process of its own: the stacks are written past Python, to the descriptor of standard error."""
    words = (
        "import os, signal; from app.telemetry import set_up_logging; set_up_logging('info', 'text'); "
        "os.kill(os.getpid(), signal.SIGUSR1); print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "goes on\n"
    assert re.search(r"^Current thread .*\n  File \"<string>\", line 1 in <module>", done.stderr, re.MULTILINE)


def test_a_stopped_host_leaves_no_process(host: PipelineHost, store: Announcing) -> None:
    store.wait_for(lambda snapshot: True)
    children = psutil.Process().children(recursive=True)
    host.stop()
    _, alive = psutil.wait_procs([child for child in children if "resource_tracker" not in " ".join(_words(child))], 10)
    assert alive == []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def job(*, steps: int = 864) -> FitJob:
    values = np.tile(np.arange(288, dtype=np.float32), steps // 288)[None]
    one = np.ones(1)
    return FitJob(
        keys=("a/web",),
        series=Series(START_S, 300, values),
        window_steps=np.asarray([2]),
        lead_steps=np.asarray([1]),
        level=0.9 * one,
        price=10 * one,
        capacity_per_pod=one,
        levels=(0.5, 0.9),
        horizon=12,
        hold_out_steps=288,
        hold_steps=np.asarray([1]),
        roster="large fleet",
    )


def test_a_fit_runs_in_a_process_of_its_own() -> None:
    worker = FitWorker(timeout_seconds=DEADLINE_SECONDS)
    try:
        (block,) = worker.run(iter([job()]))
        assert block.keys == ("a/web",)
        assert block.fitted.ready.tolist() == [True]
    finally:
        worker.close()


def test_a_fit_sends_its_verdict_and_not_the_days_it_was_judged_on() -> None:
    block = fit_block(job())
    assert block.verdict.skill.shape == (1,)
    assert block.fitted.held_out_required.size == 0
    assert block.fitted.held_out_actual.size == 0


def test_a_fit_that_takes_too_long_is_given_up() -> None:
    worker = FitWorker(timeout_seconds=0)
    try:
        with pytest.raises(FitFailed, match="FORESCALE_FIT_TIMEOUT_SECONDS"):
            next(worker.run(iter([job()])))
    finally:
        worker.close()


def test_a_defect_in_a_fit_is_told_and_does_not_end_the_worker() -> None:
    worker = FitWorker(timeout_seconds=DEADLINE_SECONDS)
    broken = FitJob(**{**vars(job()), "capacity_per_pod": np.ones(0)})
    try:
        with pytest.raises(FitFailed, match="Error"):
            next(worker.run(iter([broken])))
        assert len(list(worker.run(iter([job()])))) == 1
    finally:
        worker.close()


def test_a_worker_that_was_killed_is_told_as_such() -> None:
    worker = FitWorker(timeout_seconds=DEADLINE_SECONDS)
    try:
        assert worker.process_id is not None
        os.kill(worker.process_id, signal.SIGKILL)
        with pytest.raises(FitFailed, match="died"):
            next(worker.run(iter([job()])))
    finally:
        worker.close()
