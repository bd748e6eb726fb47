"""Which fit serves when: the same on every replica, whatever the speed at which it is made."""

import threading
from collections.abc import Iterator

import pytest

from app.errors import FitFailed
from app.pipeline.fits import Fits

REFIT = 1000  # settles after min(300, REFIT / 2) = 300 s


class Block:
    """Stands for a fitted block; only its keys and the end of its window matter to the schedule."""

    def __init__(self, keys: tuple[str, ...], cut_s: int) -> None:
        self.keys = keys
        self.cut_s = cut_s


class Worker:
    """Fits at once, or fails."""

    error: Exception | None = None

    def __init__(self) -> None:
        self.closed = False
        self.runs = 0

    def run(self, jobs: Iterator[Block]) -> Iterator[Block]:
        self.runs += 1
        for job in jobs:
            if self.error is not None:
                raise self.error
            yield job

    def close(self) -> None:
        self.closed = True


class Bench:
    """A schedule whose workers are stand-ins; `pass_at` makes the request of one pass and waits for its fit."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked: list[tuple[tuple[str, ...], int]] = []
        self.workers: list[Worker] = []
        self.fits = Fits(refit_seconds=REFIT, timeout_seconds=1, start_worker=self._start)

    def _start(self, *, timeout_seconds: float) -> Worker:
        self.workers.append(Worker())
        return self.workers[-1]

    def pass_at(self, cut_s: int, **signatures: int) -> None:
        Worker.error = self.error

        def make_job(keys: tuple[str, ...], fit_s: int) -> Block:
            self.asked.append((keys, fit_s))
            return Block(keys, fit_s)

        wanted = {key: (signature,) for key, signature in signatures.items()}
        self.fits.request(wanted, cut_s=cut_s, make_job=make_job)
        self.fits.wait(timeout_seconds=5)

    def serving(self, cut_s: int) -> dict[str, int]:
        return {key: fit.block.cut_s for key, fit in self.fits.current(cut_s).items()}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(Worker, "error", None)
    return Bench()


def test_a_cold_start_fits_the_window_that_the_running_replicas_use(bench: Bench) -> None:
    bench.pass_at(5250, x=1)
    assert bench.asked == [(("x",), 4000)]
    assert bench.serving(5250) == {"x": 4000}


def test_a_new_fit_is_made_at_once_and_serves_once_it_has_settled(bench: Bench) -> None:
    bench.pass_at(4900, x=1)
    bench.pass_at(5000, x=1)
    assert bench.asked[-1] == (("x",), 5000)
    assert bench.serving(5299) == {"x": 4000}
    assert bench.serving(5300) == {"x": 5000}


def test_nothing_is_fitted_twice(bench: Bench) -> None:
    bench.pass_at(5350, x=1)
    bench.pass_at(5365, x=1)
    assert len(bench.asked) == 1


def test_a_new_workload_is_fitted_alone_on_the_window_in_use(bench: Bench) -> None:
    bench.pass_at(5350, x=1)
    bench.pass_at(5365, x=1, y=1)
    assert bench.asked[-1] == (("y",), 5000)
    assert bench.serving(5365) == {"x": 5000, "y": 5000}


def test_a_changed_lead_is_fitted_again(bench: Bench) -> None:
    bench.pass_at(5350, x=1)
    bench.pass_at(5365, x=2)
    assert bench.asked == [(("x",), 5000), (("x",), 5000)]


def test_large_fleets_are_fitted_in_blocks(bench: Bench) -> None:
    bench.pass_at(5350, **{f"w{number}": 1 for number in range(600)})
    assert [len(keys) for keys, _ in bench.asked] == [128, 128, 128, 128, 88]


def test_a_failed_fit_leaves_the_last_one_serving_and_is_not_repeated_at_once(bench: Bench) -> None:
    bench.pass_at(4900, x=1)
    bench.error = FitFailed("out of memory")
    bench.pass_at(5000, x=1)
    bench.pass_at(5015, x=1)
    assert sum(worker.runs for worker in bench.workers) == 2
    assert bench.serving(5400) == {"x": 4000}
    assert bench.fits.outcomes == {"ok": 1, "failed": 1}


def test_a_start_whose_fit_fails_counts_as_settled_so_that_the_reactive_value_is_served(bench: Bench) -> None:
    bench.error = FitFailed("out of memory")
    assert not bench.fits.settled({"x": (1,)}, cut_s=5350)
    bench.pass_at(5350, x=1)
    assert bench.fits.settled({"x": (1,)}, cut_s=5350)


def test_a_worker_lives_on_between_fits_and_remembers(bench: Bench) -> None:
    for cut_s in (4900, 5900, 6900):
        bench.pass_at(cut_s, x=1)
    assert [(worker.runs, worker.closed) for worker in bench.workers] == [(3, False)]
    bench.fits.close()
    assert bench.workers[0].closed


def test_a_worker_that_failed_is_ended(bench: Bench) -> None:
    bench.pass_at(4900, x=1)
    bench.error = FitFailed("out of memory")
    bench.pass_at(5000, x=1)
    assert [worker.closed for worker in bench.workers] == [True]


def test_old_generations_are_forgotten_once_the_effective_one_is_complete(bench: Bench) -> None:
    for cut_s in (4900, 5000, 5300, 6000, 6300):
        bench.pass_at(cut_s, x=1)
    assert bench.serving(5400) == {}
    assert bench.serving(6300) == {"x": 6000}


def test_generations_do_not_pile_up_while_every_fit_is_late(bench: Bench) -> None:
    for cut_s in range(4900, 14900, REFIT):  # each pass finds that the effective fit is missing
        bench.pass_at(cut_s, x=1)
    assert not bench.serving(12200)
    assert bench.serving(12300) == {"x": 12000}  # served while the last one was made
    assert bench.serving(13900) == {"x": 13000}


def test_a_generation_that_lacks_a_workload_leaves_it_its_last_fit(bench: Bench) -> None:
    bench.pass_at(4900, x=1, y=1)
    bench.pass_at(5900, x=1)
    bench.error = FitFailed("out of memory")
    bench.pass_at(5915, x=1, y=1)
    assert bench.serving(5915) == {"x": 5000, "y": 4000}


def test_a_stop_in_the_middle_of_a_fit_is_no_failed_fit(caplog: pytest.LogCaptureFixture) -> None:
    fitting, closed = threading.Event(), threading.Event()

    class Interrupted(Worker):
        def run(self, jobs: Iterator[Block]) -> Iterator[Block]:
            fitting.set()
            closed.wait(5)
            raise FitFailed("the fitting process died")

        def close(self) -> None:
            closed.set()

    fits = Fits(refit_seconds=REFIT, timeout_seconds=1, start_worker=lambda *, timeout_seconds: Interrupted())
    fits.request({"x": (1,)}, cut_s=5350, make_job=lambda keys, fit_s: Block(keys, fit_s))  # type: ignore[arg-type,return-value]
    assert fitting.wait(5)
    fits.close()
    assert fits.outcomes == {"ok": 0, "failed": 0}
    assert caplog.records == []
