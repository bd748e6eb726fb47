"""Questions on their way: queued, answered in a process of their own, bounded, forgotten after a while."""

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app.clock import PlayedClock
from app.inquiries import Inquiry, State, ThenQuestion, TooManyInquiries, WhatIfAnswer, WhatIfQuestion, WhatIfTerms
from app.pipeline.answering import answered
from app.pipeline.inquiry import InquiryDesk
from app.pipeline.refresh import Refresher
from app.settings import Settings
from app.snapshot import Snapshot
from app.sources.factory import make_source
from app.workloads.book import Book, LeadTime, PodSizes
from app.workloads.spec import LoadForecast

SECONDS = 30.0
DAY = 86_400
START_S = 20_000 * DAY
DAYS = 9
MakeForecast = Callable[..., LoadForecast]


class Scripted:
    """Stands for the process: a thread that answers each question as the test says."""

    def __init__(self, replies: list[list[tuple[str, object]]]) -> None:
        self.replies = replies
        self.heard: list[object] = []
        self.started = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, settings: Settings, clock: object, link: Connection) -> Any:
        self.started += 1
        mine = Connection(os.dup(link.fileno()))
        thread = threading.Thread(target=self._run, args=(mine,), daemon=True)
        thread.kill = lambda: None  # type: ignore[attr-defined]
        thread.start()
        return thread

    def _run(self, link: Connection) -> None:
        with link, contextlib.suppress(EOFError, OSError):
            while True:
                self.heard.append(link.recv().question)
                self.may_answer.wait(SECONDS)
                for reply in self.replies.pop(0):
                    if reply[0] == "die":
                        return
                    link.send(reply)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        source="csv",
        csv_file=tmp_path / "load.csv",
        history_days=7,
        history_step_seconds=300,
        refresh_seconds=300,
        settle_seconds=0,
        refit_seconds=3_600,
        careful_workloads=0,
        authentication="none",
        host="127.0.0.1",
        workloads_file=tmp_path / "none.yaml",
        log_level="error",
        log_format="text",
    )


@pytest.fixture
def clock() -> PlayedClock:
    return PlayedClock(start_s=START_S + DAYS * DAY, epoch_s=0.0, speed=0.0)


@pytest.fixture
def desk_of(settings: Settings, clock: PlayedClock) -> Iterator[Callable[..., InquiryDesk]]:
    made: list[InquiryDesk] = []

    def make(*replies: list[tuple[str, object]], **arguments: Any) -> tuple[InquiryDesk, Scripted]:
        scripted = Scripted(list(replies))
        made.append(InquiryDesk(settings, clock=clock, start=scripted, **arguments))
        return made[-1], scripted

    yield make
    for desk in made:
        desk.stop()


def upload(number: int = 0) -> WhatIfQuestion:
    return WhatIfQuestion(WhatIfTerms(lead_minutes=1 + number), csv=b"x")


def ended(desk: InquiryDesk, identity: str) -> Inquiry:
    """Polls as a caller does; the answer is a matter of milliseconds."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = desk.find(identity)
        assert found is not None
        if found.state in (State.DONE, State.FAILED):
            return found
        threading.Event().wait(0.01)
    raise AssertionError("no answer")


def test_a_question_is_answered_and_asked_again_it_is_the_same_one(desk_of: Any) -> None:
    desk, scripted = desk_of([("progress", 0.25), ("answer", "found")])
    asked = desk.ask(upload())
    assert desk.ask(upload()).identity == asked.identity
    done = ended(desk, asked.identity)
    assert (done.state, done.progress, done.answer) == (State.DONE, 1.0, "found")
    assert desk.ask(upload()).answer == "found"
    assert len(scripted.heard) == 1


def test_a_failure_is_told_and_may_be_asked_again(desk_of: Any) -> None:
    desk, _ = desk_of([("failed", "add a column")], [("answer", "found")])
    first = ended(desk, desk.ask(upload()).identity)
    assert (first.state, first.text) == (State.FAILED, "add a column")
    assert ended(desk, desk.ask(upload()).identity).state is State.DONE


def test_a_process_that_dies_fails_its_question_and_the_next_one_gets_another(desk_of: Any) -> None:
    desk, scripted = desk_of([("die", None)], [("answer", "found")])
    assert "died" in ended(desk, desk.ask(upload(1)).identity).text
    assert ended(desk, desk.ask(upload(2)).identity).answer == "found"
    assert scripted.started == 2


def test_a_question_that_takes_too_long_is_given_up(desk_of: Any) -> None:
    desk, scripted = desk_of([("answer", "late")], timeout_seconds=0.05)
    scripted.may_answer.clear()
    found = ended(desk, desk.ask(upload()).identity)
    scripted.may_answer.set()
    assert (found.state, "within 0 s" in found.text) == (State.FAILED, True)


def test_only_so_many_wait(desk_of: Any) -> None:
    desk, scripted = desk_of(*[[("answer", "found")]] * 20)
    scripted.may_answer.clear()
    refused = 0
    for number in range(12):
        try:
            desk.ask(upload(number))
        except TooManyInquiries:
            refused += 1
    scripted.may_answer.set()
    assert refused in (3, 4)  # eight wait; whether the first one is being answered already is a race


def test_answers_are_forgotten_after_an_hour_and_where_there_are_many(desk_of: Any) -> None:
    time_s = [0.0]
    desk, _ = desk_of([("answer", "found")], now=lambda: time_s[0])
    identity = desk.ask(upload()).identity
    ended(desk, identity)
    time_s[0] = 3_601.0
    assert desk.find(identity) is None


@pytest.fixture
def load(settings: Settings) -> np.ndarray:
    """Nine days at 5 minutes, with a daily season and noise; written where the settings look for it."""
    rng = np.random.default_rng(3)
    times = START_S + 300 * np.arange(DAYS * 288)
    values = 50 + 30 * np.sin(2 * np.pi * times / DAY) + rng.normal(0, 2, times.size)
    assert settings.csv_file is not None
    pd.DataFrame({"timestamp": times, "gateway": values, "other": values[::-1]}).to_csv(settings.csv_file, index=False)
    return values


def test_a_past_answer_is_what_was_served_then_also_when_more_was_served_beside_it(
    settings: Settings, clock: PlayedClock, make_forecast: MakeForecast, load: np.ndarray
) -> None:
    demand, scaling = {"unit": "requests/s"}, {"container": "server", "resource": "cpu", "reference": 1}
    forecasts = tuple(
        make_forecast(name, demand={"query": name, **demand}, capacityPerPod=5, mode="Active", capacityScaling=scaling)
        for name in ("gateway", "other")
    )
    sizes = PodSizes(9, 7.0, newest=0.5, largest=1.0)
    leads = (LeadTime(300, "Measured"), LeadTime(3_000, "Measured"))  # one of which looks further back
    leads_of = {one.key: lead for one, lead in zip(forecasts, leads, strict=True)}
    book = Book(forecasts, leads_of, sizes={one.key: sizes for one in forecasts})
    then_s = START_S + DAYS * DAY - 6 * 3600
    with ThreadPoolExecutor(1) as executor:
        refresher = Refresher(settings, make_source=make_source, clock=clock, executor=executor)
        try:
            for cut_s in range(then_s - 900, then_s + 1, 300):
                while not (done := refresher.refresh(book, cut_s=cut_s)).settled:
                    refresher.wait_for_fit(timeout_seconds=SECONDS)
        finally:
            refresher.close()
    question = ThenQuestion(forecasts[0], then_s, 300, "Measured", fleet=2, sizes=sizes)
    told: list[float] = []
    kind, found = answered(question, settings, clock=clock, on_progress=told.append)
    assert kind == "answer"
    assert isinstance(found, Snapshot)
    assert (found.cut_s, found.served[0], found.reason[0]) == (
        then_s, done.snapshot.served[0], done.snapshot.reason[0]
    )  # fmt: skip
    assert found.required[0] == done.snapshot.required[0] > load[-73]
    assert found.voices.share[0].sum() > 0
    assert found.served[0] > found.sized[forecasts[0].key].load  # its pods carry less than capacityPerPod says
    assert told


def test_a_workloads_past_is_replayed_and_told_with_curves(
    settings: Settings, clock: PlayedClock, make_forecast: MakeForecast, load: np.ndarray
) -> None:
    forecast = make_forecast(demand={"query": "gateway"}, capacityPerPod=5)
    terms = WhatIfTerms(capacity_per_pod=5, fleet=True, pod_hour_cost=2.0)
    told: list[float] = []
    question = WhatIfQuestion(terms, forecast=forecast, days=DAYS)
    kind, found = answered(question, settings, clock=clock, on_progress=told.append)
    assert kind == "answer", found
    assert isinstance(found, WhatIfAnswer)
    assert list(found.policies) == ["hpa", "reactive", "forecast", "perfect"]
    assert found.policies["perfect"].short_pod_minutes == 0
    assert found.policies["hpa"].money == pytest.approx(found.policies["hpa"].pod_minutes / 30)
    assert found.curves.demand.size == found.curves.ready["forecast"].size == found.curves.times_s.size <= 2_000
    assert found.curves.demand.max() == pytest.approx(load[load.size // 2 :].max() / 5)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


@pytest.mark.parametrize(("asked_for", "used"), [(None, "Europe/Berlin"), ("Asia/Tokyo", "Asia/Tokyo")])
def test_a_workloads_past_is_replayed_on_its_own_clock_unless_another_is_asked_for(
    settings: Settings,
    clock: PlayedClock,
    make_forecast: MakeForecast,
    load: np.ndarray,
    asked_for: str | None,
    used: str,
) -> None:
    forecast = make_forecast(demand={"query": "gateway"}, timeZone="Europe/Berlin")
    question = WhatIfQuestion(WhatIfTerms(fleet=True, time_zone=asked_for), forecast=forecast, days=DAYS)
    kind, found = answered(question, settings, clock=clock, on_progress=lambda share: None)
    assert kind == "answer", found
    assert isinstance(found, WhatIfAnswer)
    assert found.terms.time_zone == used


@pytest.mark.parametrize(
    ("csv", "words"),
    [(b"time,value\n1,2\n", "column named timestamp"), (b"timestamp,value\n1,2\n", "two days"), (b"\xff\x00", "CSV")],
)
def test_an_upload_that_cannot_be_read_fails_with_what_to_change(
    settings: Settings, clock: PlayedClock, csv: bytes, words: str
) -> None:
    question = WhatIfQuestion(WhatIfTerms(), csv=csv)
    kind, text = answered(question, settings, clock=clock, on_progress=lambda share: None)
    assert kind == "failed"
    assert words in str(text)


def test_a_query_that_returns_nothing_fails_with_the_stores_words(
    settings: Settings, clock: PlayedClock, make_forecast: MakeForecast, load: np.ndarray
) -> None:
    question = WhatIfQuestion(WhatIfTerms(), forecast=make_forecast(demand={"query": "nobody"}))
    kind, text = answered(question, settings, clock=clock, on_progress=lambda share: None)
    assert kind == "failed"
    assert "mcp/gateway" in str(text)


def test_the_process_of_its_own_answers_an_upload(settings: Settings, clock: PlayedClock, load: np.ndarray) -> None:
    minutes = START_S + 60 * np.arange(3 * 1_440)
    content = io.StringIO()
    pd.DataFrame({"timestamp": minutes, "value": 10 + np.sin(minutes / 7_000)}).to_csv(content, index=False)
    desk = InquiryDesk(settings, clock=clock)
    try:
        terms = WhatIfTerms(fleet=True)
        done = ended(desk, desk.ask(WhatIfQuestion(terms, csv=content.getvalue().encode())).identity)
        assert isinstance(done.answer, WhatIfAnswer), done.text
        assert done.answer.history == "the upload"
    finally:
        desk.stop()
