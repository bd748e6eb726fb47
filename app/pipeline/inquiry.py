"""Questions answered in a process of their own, one after another: niced, bounded in time, number and memory.

The process ends when nobody has asked for a while, so that its memory is not held for the next question.
"""

import dataclasses
import hashlib
import logging
import multiprocessing
import pickle
import queue
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from app import spans
from app.clock import Clock
from app.inquiries import Asked, Inquiry, Question, State, TooManyInquiries
from app.pipeline import entry
from app.settings import Settings

log = logging.getLogger(__name__)

Reply = tuple[str, object]
Start = Callable[[Settings, Clock, Connection], BaseProcess]

_WAITING = 8  # at most; a caller that comes then is asked to come back; an upload may be 8 MB
_KEPT = 64  # answers; a what-if is 100 kB
_KEPT_SECONDS = 3_600.0
_IDLE_SECONDS = 60.0
_TIMEOUT_SECONDS = 1_800.0
_POLL_SECONDS = 0.2


class InquiryDesk:
    """See Inquiries. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        start: Start | None = None,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """start: how the process is started. now: for how long answers are kept."""
        self._settings = settings
        self._clock = clock
        self._start = start or _start
        self._timeout_seconds = timeout_seconds
        self._now = now
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Inquiry] = OrderedDict()
        self._ended_at: dict[str, float] = {}
        self._identities: dict[str, str] = {}  # digest of a question -> identity
        self._queue: queue.Queue[tuple[str, Asked]] = queue.Queue(_WAITING)
        self._stopping = threading.Event()
        self._process: BaseProcess | None = None
        self._link: Connection | None = None
        self._thread: threading.Thread | None = None

    def ask(self, question: Question) -> Inquiry:
        """See Inquiries."""
        with self._lock:
            self._forget()
            asked = _digest(question)
            identity = self._identities.get(asked)
            if identity is not None and self._known[identity].state is not State.FAILED:
                return self._known[identity]
            inquiry = Inquiry(secrets.token_urlsafe(16), question.scope, State.WAITING)
            try:
                self._queue.put_nowait((inquiry.identity, Asked(question, spans.carried())))
            except queue.Full:
                raise TooManyInquiries(f"{_WAITING} questions are waiting already") from None
            self._known[inquiry.identity] = inquiry
            self._identities[asked] = inquiry.identity
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="forescale-inquiries", daemon=True)
                self._thread.start()
            return inquiry

    def find(self, identity: str) -> Inquiry | None:
        """See Inquiries."""
        with self._lock:
            self._forget()
            return self._known.get(identity)

    def stop(self) -> None:
        """Ends the process; what waits is lost."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _forget(self) -> None:
        """Answers that are old, and the oldest where there are too many."""
        ended = [one for one in self._known if one in self._ended_at]
        old = [one for one in ended if self._now() - self._ended_at[one] > _KEPT_SECONDS]
        for identity in dict.fromkeys([*old, *ended[: max(len(ended) - _KEPT, 0)]]):
            del self._known[identity], self._ended_at[identity]
        self._identities = {asked: one for asked, one in self._identities.items() if one in self._known}

    def _note(self, identity: str, **changes: object) -> None:
        with self._lock:
            changed = dataclasses.replace(self._known[identity], **changes)  # type: ignore[arg-type]
            self._known[identity] = changed
            if changed.state in (State.DONE, State.FAILED):
                self._ended_at[identity] = self._now()

    def _work(self) -> None:
        idle_since = time.monotonic()
        while not self._stopping.is_set():
            try:
                identity, asked = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self._process is not None and time.monotonic() - idle_since > _IDLE_SECONDS:
                    self._end()
                continue
            self._answer(identity, asked)
            idle_since = time.monotonic()
        self._end()

    def _answer(self, identity: str, asked: Asked) -> None:
        self._note(identity, state=State.RUNNING)
        deadline = time.monotonic() + self._timeout_seconds
        try:
            link = self._connected()
            link.send(asked)
            while time.monotonic() < deadline and not self._stopping.is_set():
                if link.poll(_POLL_SECONDS) and self._heard(identity, link.recv()):
                    return
            self._note(identity, state=State.FAILED, text=f"no answer within {self._timeout_seconds:.0f} s")
        except (EOFError, OSError):
            text = "the process that works on questions died; is its memory limited too tightly?"
            self._note(identity, state=State.FAILED, text=text)
        self._end()

    def _heard(self, identity: str, reply: Reply) -> bool:
        """Takes one message in; whether it was the last one."""
        kind, content = reply
        if kind == "progress":
            self._note(identity, progress=content)
            return False
        if kind == "answer":
            self._note(identity, state=State.DONE, progress=1.0, answer=content)
        else:
            self._note(identity, state=State.FAILED, text=str(content))
        return True

    def _connected(self) -> Connection:
        if self._link is None:
            self._link, theirs = multiprocessing.get_context("spawn").Pipe()
            self._process = self._start(self._settings, self._clock, theirs)
            theirs.close()
        return self._link

    def _end(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._process is not None:
            self._process.join(timeout=0.5)
            if self._process.is_alive():
                self._process.kill()
            self._process.join()
            self._process = None


def _digest(question: Question) -> str:
    return hashlib.sha256(pickle.dumps(question)).hexdigest()


def _start(settings: Settings, clock: Clock, theirs: Connection) -> BaseProcess:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=entry.inquiry, args=(settings, clock, theirs), name="forescale-inquiry")
    process.start()
    return process
