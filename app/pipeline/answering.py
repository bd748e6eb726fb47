"""The process that answers questions, from the inside."""

import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from app import spans
from app.clock import Clock
from app.errors import AppError
from app.inquiries import Answer, Asked, Question, ThenQuestion
from app.pipeline.then import snapshot_then
from app.pipeline.whatif import answer, what_if
from app.pipeline.workload_history import workload_history
from app.settings import Settings
from app.sources.history_file import read_history
from app.telemetry import set_up_logging, shortened

log = logging.getLogger(__name__)

_NICENESS = 15  # neither a request nor a pass nor a fit may wait for it
_UPLOAD = "the upload"
_READING = 0.2  # of the progress of a what-if


def run(settings: Settings, clock: Clock, link: Connection) -> None:
    """Runs in the process: a question comes in, progress and an answer go out, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the serving process decides
    set_up_logging(settings.log_level, settings.log_format)
    last_spans = spans.set_up_tracing("inquiry")
    os.nice(_NICENESS)
    try:
        while _one(settings, clock, link):
            pass
    finally:
        last_spans()


def _one(settings: Settings, clock: Clock, link: Connection) -> bool:
    """Whether somebody is still there after one question."""
    try:
        asked: Asked = link.recv()
        with spans.opened(spans.INQUIRY, {spans.QUESTION: type(asked.question).__name__}, carrier=asked.trace) as span:
            reply = answered(
                asked.question, settings, clock=clock, on_progress=lambda one: link.send(("progress", one))
            )
            if reply[0] == "failed":
                spans.failed(span, "failed")
        link.send(reply)
    except (EOFError, OSError):
        return False  # whoever asked has hung up
    return True


def answered(
    question: Question, settings: Settings, *, clock: Clock, on_progress: Callable[[float], None]
) -> tuple[str, Answer | str]:
    """("answer", it) or ("failed", what to change). on_progress: told the share done; may raise OSError."""
    try:
        return "answer", _found(question, settings, clock, on_progress)
    except OSError:
        raise
    except AppError as error:
        return "failed", shortened(str(error), 1_000)
    except Exception as error:
        log.exception("a question could not be answered")
        return "failed", f"a defect of this service: {type(error).__name__}; its log has the details"


def _found(question: Question, settings: Settings, clock: Clock, on_progress: Callable[[float], None]) -> Answer:
    if isinstance(question, ThenQuestion):
        return snapshot_then(question, settings, clock=clock, on_progress=on_progress)
    if question.forecast is None:
        file = read_history(Path(question.name or _UPLOAD), content=question.csv)
        return answer(what_if(file, question.terms, on_progress=on_progress))
    file = workload_history(
        question.forecast,
        days=question.days,
        settings=settings,
        clock=clock,
        on_progress=lambda share: on_progress(_READING * share),
    )
    rest = 1 - _READING
    terms = replace(question.terms, time_zone=question.terms.time_zone or question.forecast.spec.time_zone)
    return answer(what_if(file, terms, on_progress=lambda share: on_progress(_READING + rest * share)))
