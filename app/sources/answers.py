"""What an answer of the Prometheus API means: numbers, notes, or one of our errors."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import numpy as np
import requests

from app.errors import QueryRejected, SourceError, SourceRefused, SourceUnavailable
from app.sources.base import Answer, LabelledHistory
from app.sources.session import AnswerTooLarge
from app.telemetry import shortened
from models.series import RawHistory

_MOST_NOTES = 5
_OF_THE_QUERY = ("PromQL warning:", "PromQL info:")  # annotations of the engine; others are about missing parts
# Words in which Prometheus, Thanos, Mimir and VictoriaMetrics say that a shorter range would do.
_TOO_LARGE = ("too many samples", "too many points", "maximum resolution", "exceed", "limit")
# A 422 is any failed execution, also one that failed because a store behind the store did not answer.
_PASSING = (
    "timed out",
    "timeout",
    "deadline exceeded",
    "context canceled",
    "rpc error",
    "connection re",
    "unavailable",
)


class Busy(SourceUnavailable):
    """The store said when to come back."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


def refusal(response: requests.Response) -> SourceError:
    """The error that an answer other than 200 stands for."""
    status, said = response.status_code, _words(response)
    if 300 <= status < 400:
        target = shortened(response.headers.get("Location", "nowhere"), 120)
        return SourceRefused(f"{status}: redirected to {target}; set FORESCALE_PROMETHEUS_URL to the final address")
    if status in (401, 403):
        return SourceRefused(f"{status}: the store does not accept the credentials: {said}")
    if status in (400, 422):
        return _rejection(status, said)
    if status in (408, 429) or status >= 500:
        seconds = _retry_after_seconds(response.headers)
        text = f"{status}: {said}"
        return SourceUnavailable(text) if seconds is None else Busy(text, retry_after_seconds=seconds)
    return SourceRefused(f"{status}: FORESCALE_PROMETHEUS_URL does not lead to a Prometheus API: {said}")


def _rejection(status: int, said: str) -> SourceError:
    low = said.lower()
    if status == 422 and any(word in low for word in _PASSING):
        return SourceUnavailable(f"{status}: {said}")
    if any(word in low for word in _TOO_LARGE):
        return AnswerTooLarge(f"{status}: {said}")
    return QueryRejected(f"{status}: {said}")


def _words(response: requests.Response) -> str:
    try:
        said = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        said = response.content[:1000].decode("utf-8", errors="replace")
    return shortened(str(said)) or "(nothing said)"


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds, or a time of the server's clock, which is read from its own Date."""
    text = headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - parsedate_to_datetime(headers["Date"])).total_seconds(), 0.0)
    except (KeyError, ValueError, TypeError):
        return None


def disconnection(error: OSError) -> SourceError:
    """The error that a request without an answer stands for."""
    text = shortened(f"{type(error).__name__}: {error}")
    if isinstance(error, requests.exceptions.SSLError):
        return SourceRefused(f"TLS: {text}") if _is_distrust(error) else SourceUnavailable(f"TLS: {text}")
    wrong_address = (
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidSchema,
        requests.exceptions.InvalidURL,
    )
    if isinstance(error, wrong_address):
        return SourceRefused(f"FORESCALE_PROMETHEUS_URL is no address: {text}")
    if isinstance(error, requests.RequestException):
        return SourceUnavailable(text)
    return SourceRefused(f"a certificate file cannot be used: {text}")


def _is_distrust(error: BaseException) -> bool:
    """One side does not trust the other, or does not speak TLS; anything else is a broken connection."""
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
        return True
    text = str(error).lower()
    return "alert" in text or "wrong version number" in text or "record layer failure" in text


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        reason = getattr(
            error.args[0] if error.args else None, "reason", None
        )  # requests wraps urllib3's MaxRetryError
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__


def answer_of(document: Any, series: Sequence[LabelledHistory]) -> Answer:
    """Series with what the store noted about them. Incomplete if it says that parts may be missing."""
    warnings, infos = (tuple(map(str, document.get(key) or ())) for key in ("warnings", "infos"))
    missing = [text for text in warnings if not text.startswith(_OF_THE_QUERY)]
    if document.get("isPartial") is True:
        missing.append("the store marks the answer as partial")
    notes = [*missing, *(text for text in (*warnings, *infos) if text not in missing)]
    return Answer(tuple(series), complete=not missing, notes=tuple(shortened(text) for text in notes[:_MOST_NOTES]))


def range_series(result: Any, kind: str) -> list[LabelledHistory]:
    """Series of a matrix; native histograms hold no single number and are left out. Raises SourceUnavailable."""
    try:
        _expect(kind, "matrix")
        known = [item for item in result if "values" in item or _is_unknown(item)]
        return _histories([item["metric"] for item in known], [item["values"] for item in known])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SourceUnavailable(f"the answer is not a matrix of the Prometheus API: {error!r:.100}") from error


def instant_series(result: Any, kind: str) -> list[LabelledHistory]:
    """Series of a vector, or the one of a scalar. Raises QueryRejected for other kinds, SourceUnavailable for none."""
    if kind in ("matrix", "string"):
        raise QueryRejected(f"the query gives a {kind}; it must give one number per series, as rate(x[5m]) does")
    try:
        if kind == "scalar":
            return _histories([{}], [[result]])
        _expect(kind, "vector")
        known = [item for item in result if "value" in item or _is_unknown(item)]
        return _histories([item["metric"] for item in known], [[item["value"]] for item in known])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SourceUnavailable(f"the answer is not a vector of the Prometheus API: {error!r:.100}") from error


def _expect(kind: str, expected: str) -> None:
    if kind != expected:
        raise ValueError(f"its resultType is {kind}")


def _is_unknown(item: Mapping[str, Any]) -> bool:
    return not ("histogram" in item or "histograms" in item)


def _histories(
    labels: Sequence[Mapping[str, str]], samples: Sequence[Sequence[Sequence[Any]]]
) -> list[LabelledHistory]:
    """One series per entry. All numbers of an answer are converted in one go: it may hold thousands of short series."""
    flat = [sample for one in samples for sample in one]
    times_s = np.fromiter((sample[0] for sample in flat), dtype=np.float64, count=len(flat))
    values = np.fromiter((float(sample[1]) for sample in flat), dtype=np.float64, count=len(flat))
    bounds = pairwise([0, *np.cumsum([len(one) for one in samples], dtype=np.int64).tolist()])
    return [
        LabelledHistory(dict(named), RawHistory(times_s[start:end], values[start:end]))
        for named, (start, end) in zip(labels, bounds, strict=True)
    ]


def joined(parts: Sequence[Answer]) -> Answer:
    """Answers for consecutive stretches of time as one; complete only if all are."""
    if len(parts) == 1:
        return parts[0]
    found: dict[tuple[tuple[str, str], ...], list[LabelledHistory]] = {}
    for part in parts:
        for one in part.series:
            found.setdefault(tuple(sorted(one.labels.items())), []).append(one)
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return Answer(
        tuple(_concatenated(pieces) for pieces in found.values()),
        complete=all(part.complete for part in parts),
        notes=tuple(notes)[:_MOST_NOTES],
    )


def _concatenated(pieces: Sequence[LabelledHistory]) -> LabelledHistory:
    times_s = np.concatenate([piece.history.times_s for piece in pieces])
    values = np.concatenate([piece.history.values for piece in pieces])
    return LabelledHistory(pieces[0].labels, RawHistory(times_s, values))
