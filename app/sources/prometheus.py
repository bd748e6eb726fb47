"""Histories from anything that speaks the Prometheus API: Prometheus, Thanos, Mimir, Cortex, VictoriaMetrics."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from urllib3.util.retry import Retry

from app.errors import QueryRejected, SourceError, SourceUnavailable
from app.settings import Settings
from app.sources.answers import Busy, answer_of, disconnection, instant_series, joined, range_series, refusal
from app.sources.base import Answer, LabelledHistory
from app.sources.session import MAX_ANSWER_BYTES, AnswerTooLarge, StoreAdapter, StoreSession, store_session

OnRequest = Callable[[str], None]

_CONNECT_SECONDS = 5.0  # a store that is there accepts at once, however long it computes
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 8.0  # a pass is made every few seconds: the next one tries again anyway


class PrometheusSource:
    """A Source over one store. Thread-safe; at most `max_concurrency` requests at a time, whoever asks."""

    def __init__(
        self,
        client: PrometheusConnect,
        session: StoreSession,
        *,
        max_points: int,
        max_concurrency: int,
        attempts: int,
        rng: random.Random,
        sleep: Callable[[float], None] = time.sleep,
        on_request: OnRequest | None = None,
    ) -> None:
        self._client = client
        self._session = session
        self._max_points = max_points
        self._slots = threading.BoundedSemaphore(max_concurrency)
        self._attempts = attempts
        self._rng = rng
        self._sleep = sleep
        self._on_request = on_request
        self._counting = threading.Lock()
        self.server_date: str | None = None
        self._points: dict[str, int] = {}  # query -> points that worked after more did not

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        """Values at start_s, start_s + step, ... <= end_s, asked for in pieces that the store can answer."""
        total = (end_s - start_s) // step_seconds + 1
        points = self._points.get(query, self._max_points)
        parts: list[Answer] = []
        done = 0
        while done < total:
            take = min(points, total - done)
            first_s = start_s + done * step_seconds
            last_s = first_s + (take - 1) * step_seconds
            try:
                parts.append(self._retried(partial(self._piece, query, first_s, last_s, step_seconds)))
            except AnswerTooLarge:
                if take == 1:
                    raise
                points = take // 2
                continue
            done += take
            if points < self._max_points:
                self._points[query] = points
        return joined(parts) if parts else Answer(())

    def instant(self, query: str, *, at_s: float) -> Answer:
        """One value per series as of `at_s`; the store decides how old a sample may be for that."""
        call = partial(self._client.custom_query, query, params={"time": f"{at_s:.3f}"})
        return self._retried(partial(self._exchange, call, instant_series))

    def close(self) -> None:
        """Releases connections."""
        self._session.close()

    def _piece(self, query: str, first_s: int, last_s: int, step_seconds: int) -> Answer:
        start, end = (datetime.fromtimestamp(time_s, tz=UTC) for time_s in (first_s, last_s))
        call = partial(self._client.custom_query_range, query, start, end, f"{step_seconds}s")
        return self._exchange(call, range_series)

    def _retried(self, ask: Callable[[], Answer]) -> Answer:
        """Only what may pass is tried again; each wait is drawn from [0, limit], so that replicas spread out."""
        retrying = Retrying(
            retry=retry_if_exception_type(SourceUnavailable),
            stop=lambda state: stop_after_attempt(self._attempts)(state) or _asks_too_much_patience(state),
            wait=self._wait_seconds,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(ask)

    def _wait_seconds(self, state: RetryCallState) -> float:
        limit = min(_FIRST_WAIT_SECONDS * 2.0 ** (state.attempt_number - 1), _LONGEST_WAIT_SECONDS)
        return _retry_after_seconds(state) + self._rng.uniform(0, limit)

    def _exchange(self, call: Callable[[], Any], read: Callable[[Any, str], Sequence[LabelledHistory]]) -> Answer:
        """One request and what became of it; every outcome is counted."""
        outcome = "failed"
        try:
            with self._slots:
                answer = self._read(call, read)
            outcome = "ok" if answer.complete else "partial"
        except SourceError as error:
            outcome = _outcome(error)
            raise
        finally:
            if self._on_request is not None:
                with self._counting:
                    self._on_request(outcome)
        return answer

    def _read(self, call: Callable[[], Any], read: Callable[[Any, str], Sequence[LabelledHistory]]) -> Answer:
        self._session.forget()
        try:
            result = call()
            response = self._session.last
            self.server_date = response.headers.get("Date") if response is not None else None
            document = response.json() if response is not None else {}
            kind = str(document["data"].get("resultType"))
        except PrometheusApiClientException as error:
            response = self._session.last
            raise SourceUnavailable("no answer") if response is None else refusal(response) from error
        except OSError as error:  # all of requests' errors, and files that it cannot read
            raise disconnection(error) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceUnavailable(
                "200, but not an answer of the Prometheus API; is this the right address?"
            ) from error
        finally:
            self._session.forget()
        return answer_of(document, read(result, kind))


def _outcome(error: SourceError) -> str:
    if isinstance(error, SourceUnavailable):
        return "unavailable"
    return "rejected" if isinstance(error, QueryRejected) else "refused"


def _retry_after_seconds(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.retry_after_seconds if isinstance(error, Busy) else 0.0


def _asks_too_much_patience(state: RetryCallState) -> bool:
    """A store that wants to be left alone for long is left alone: the workloads' last numbers serve meanwhile."""
    return _retry_after_seconds(state) > _LONGEST_WAIT_SECONDS


def prometheus_source(
    settings: Settings,
    *,
    rng: random.Random,
    on_request: OnRequest | None = None,
    sleep: Callable[[float], None] = time.sleep,
    max_answer_bytes: int = MAX_ANSWER_BYTES,
) -> PrometheusSource:
    """A source with the settings' address, credentials and limits; raises ConfigurationError."""
    url = settings.prometheus_url.rstrip("/")
    session = store_session(settings)
    timeout = (min(_CONNECT_SECONDS, settings.prometheus_timeout_seconds), settings.prometheus_timeout_seconds)
    client = PrometheusConnect(url=url, session=session, timeout=timeout, retry=Retry(0))
    adapter = StoreAdapter(
        connections=settings.prometheus_max_concurrency,
        timeout_seconds=settings.prometheus_timeout_seconds,
        max_bytes=max_answer_bytes,
    )
    session.mount(url, adapter)  # after the client, which mounts an adapter of its own there
    return PrometheusSource(
        client,
        session,
        max_points=settings.prometheus_max_points,
        max_concurrency=settings.prometheus_max_concurrency,
        attempts=settings.prometheus_attempts,
        rng=rng,
        sleep=sleep,
        on_request=on_request,
    )
