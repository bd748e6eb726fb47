"""How many sessions each pod holds, for the workloads whose pods are drained: one request for each distinct query."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import Executor

from app.errors import SourceError
from app.planning.draining import Drain, drain_of
from app.sources.base import Answer, Source, whole
from app.telemetry import shortened
from app.workloads.book import Book
from app.workloads.optional import Drain as Block
from app.workloads.spec import LoadForecast

log = logging.getLogger(__name__)

_NAMESPACE = "namespace"


class SessionReader:
    """Reads what spec.drain.query gives at a cut. Nothing is kept between passes."""

    def __init__(self, source: Source, *, executor: Executor) -> None:
        self._source = source
        self._executor = executor

    def read(self, book: Book, *, cut_s: int) -> dict[str, Drain]:
        """key -> pods with their sessions, for each LoadForecast that has the block. Raises nothing of the source's."""
        by_query: dict[str, list[LoadForecast]] = defaultdict(list)
        for one in book.forecasts:
            if one.spec.drain is not None:
                by_query[one.spec.drain.query].append(one)
        answers = self._executor.map(lambda query: self._ask(query, cut_s), by_query)
        found: dict[str, Drain] = {}
        for forecasts, answer in zip(by_query.values(), answers, strict=True):
            for forecast in forecasts:
                found[forecast.key] = _drain(book, forecast, answer)
        return found

    def _ask(self, query: str, cut_s: int) -> Answer | SourceError:
        try:
            return whole(self._source.instant(query, at_s=cut_s))
        except SourceError as error:
            log.warning("no sessions from %s: %s", shortened(query, 120), error)
            return error


def _drain(book: Book, forecast: LoadForecast, answer: Answer | SourceError) -> Drain:
    block, pods = forecast.spec.drain, book.drains.get(forecast.key, ())
    assert block is not None
    if isinstance(answer, SourceError):
        return drain_of(pods, {}, note=f"{type(answer).__name__}: {shortened(str(answer))}")
    sessions = _by_pod(answer, block, forecast.namespace)
    known = sum(pod.name in sessions for pod in pods)
    nothing = f"no session anywhere, or the query is wrong: none of {len(answer.series)} series names a pod of it"
    note = "" if known or not pods else f"{nothing} in {block.pod_label}"
    return drain_of(pods, sessions, note=note)


def _by_pod(answer: Answer, block: Block, namespace: str) -> Mapping[str, float]:
    """The newest number of each pod of the namespace; none of a pod with several series, which are not told apart."""
    ours = [
        one
        for one in answer.series
        if block.pod_label in one.labels and one.labels.get(_NAMESPACE, namespace) == namespace
    ]
    counts = Counter(one.labels[block.pod_label] for one in ours)
    return {
        one.labels[block.pod_label]: float(one.history.values[-1])
        for one in ours
        if counts[one.labels[block.pod_label]] == 1
    }
