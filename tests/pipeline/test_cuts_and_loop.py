"""When passes are made, and what a bad one changes."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.loop import Nobody, Sinks, cut_at, loop
from app.pipeline.refresh import Done
from app.settings import Settings
from app.workloads.book import Book


class Steps:
    """A clock that moves by one second whenever it is read, and stops the loop at the end."""

    def __init__(self, times: list[float], stop: threading.Event) -> None:
        self.times = times
        self.stop = stop

    def now(self) -> float:
        if len(self.times) == 1:
            self.stop.set()
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]

    def real_seconds(self, seconds: float) -> float:
        return 0.0


class Keeper:
    def __init__(self) -> None:
        self.is_ready = True

    def current(self) -> Book:
        return Book()

    def ready(self) -> bool:
        return self.is_ready

    def close(self) -> None: ...


class Refreshes:
    """Remembers the cuts of its passes; `outcome` decides what each gives."""

    def __init__(self, outcome: Callable[[int], Done]) -> None:
        self.cuts: list[int] = []
        self.outcome = outcome

    def refresh(self, book: Book, *, cut_s: int) -> Done:
        self.cuts.append(cut_s)
        return self.outcome(cut_s)


def settings() -> Settings:
    return Settings(authentication="none", host="127.0.0.1", refresh_seconds=15, settle_seconds=5)


def run(times: list[float], refreshes: Refreshes, keeper: Keeper | None = None) -> list[object]:
    stop = threading.Event()
    published: list[object] = []
    loop(
        settings(),
        clock=Steps(times, stop),
        keeper=keeper or Keeper(),
        refresher=refreshes,
        sink=Nobody(),
        publish=published.append,
        stop=stop,
        wait=lambda seconds: None,
    )
    return published


def done(*, settled: bool = True) -> Callable[[int], Done]:
    return lambda cut_s: Done(snapshot=cut_s, complete=True, settled=settled)


@given(now=st.floats(1e9, 3e9), settle=st.floats(0, 60), refresh=st.integers(1, 600))
def test_a_cut_is_a_settled_multiple_of_the_refresh(now: float, settle: float, refresh: int) -> None:
    cut_s = cut_at(now, settle_seconds=settle, refresh_seconds=refresh)
    assert cut_s % refresh == 0
    assert settle - 1e-3 <= now - cut_s < settle + refresh + 1e-3


def test_there_is_one_pass_per_cut() -> None:
    refreshes = Refreshes(done())
    assert run([1005, 1006, 1019, 1020, 1021, 1035], refreshes) == [990, 1005, 1020]
    assert refreshes.cuts == [990, 1005, 1020]


def test_nothing_is_published_before_past_and_fit_are_there() -> None:
    calls = iter([False, False, True, True])
    refreshes = Refreshes(lambda cut_s: Done(snapshot=cut_s, complete=True, settled=next(calls)))
    assert run([1005, 1006, 1007, 1020], refreshes) == [990, 1005]


def test_a_start_that_takes_long_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.pipeline.loop._TOLD_SECONDS", 0.0)
    caplog.set_level("INFO", logger="app.pipeline.loop")
    steps = iter([(False, False), (True, False), (True, True)])
    run([1005, 1006, 1007, 1008], Refreshes(lambda cut_s: Done(cut_s, *next(steps))), Keeper())
    assert [line.split("waiting for ")[1] for line in caplog.messages if "waiting" in line] == [
        "the past, which is still being read",
        "the first fit",
    ]


def test_once_warm_a_workload_without_a_fit_does_not_silence_the_others() -> None:
    calls = iter([True, False, False])
    refreshes = Refreshes(lambda cut_s: Done(snapshot=cut_s, complete=True, settled=next(calls)))
    assert run([1005, 1020, 1035], refreshes) == [990, 1005, 1020]


def test_a_failed_pass_is_made_again() -> None:
    calls = iter([True, False, False])

    def outcome(cut_s: int) -> Done:
        if next(calls):
            raise RuntimeError("defect")
        return Done(snapshot=cut_s, complete=True, settled=True)

    assert run([1005, 1006, 1020], Refreshes(outcome)) == [990, 1005]


def test_a_clock_set_back_is_followed() -> None:
    refreshes = Refreshes(done())
    run([1005, 700, 715], refreshes)
    assert refreshes.cuts == [990, 690, 705]


def test_nothing_is_served_before_the_book_is_known() -> None:
    keeper = Keeper()
    keeper.is_ready = False
    refreshes = Refreshes(done())
    assert run([1005, 1020], refreshes, keeper) == []
    assert refreshes.cuts == []


def test_several_sinks_are_told_and_closed_in_their_order() -> None:
    told: list[str] = []

    class Sink:
        def __init__(self, name: str) -> None:
            self.name = name

        def publish(self, snapshot: object, book: Book, *, now: float) -> None:
            told.append(f"{self.name} at {now:g}")

        def close(self) -> None:
            told.append(f"{self.name} closed")

    both = Sinks(Sink("writer"), Sink("holder"))
    both.publish(object(), Book(), now=3)  # type: ignore[arg-type]
    both.close()
    assert told == ["writer at 3", "holder at 3", "writer closed", "holder closed"]
