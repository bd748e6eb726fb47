"""What every source of histories can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.errors import SourceUnavailable
from models.series import RawHistory


@dataclass(frozen=True)
class LabelledHistory:
    """One series of an answer: its labels and its samples."""

    labels: Mapping[str, str]
    history: RawHistory


@dataclass(frozen=True)
class Answer:
    """What a query returned. `complete` is False when the store warned that parts may be missing.

    An incomplete answer about now is none at all. One about the past may be used where there is no number yet, never
    replaces a number already held, and is asked for again.
    `notes` are the store's own words, shortened, for the log and the workload's condition.
    """

    series: tuple[LabelledHistory, ...]
    complete: bool = True
    notes: tuple[str, ...] = ()


def whole(answer: Answer) -> Answer:
    """The answer. Raises SourceUnavailable, in the store's words, if parts of it may be missing."""
    if not answer.complete:
        raise SourceUnavailable(
            f"the store's answer may lack parts: {'; '.join(answer.notes) or 'it does not say why'}"
        )
    return answer


class Source(Protocol):
    """Queries are PromQL for stores that speak it; a CSV source takes a column's name. Blocking, thread-safe."""

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        """Values at start_s, start_s + step, ... <= end_s (all Unix seconds). Raises SourceError."""

    def instant(self, query: str, *, at_s: float) -> Answer:
        """One value per series as of `at_s`. Raises SourceError."""

    def close(self) -> None:
        """Releases connections."""
