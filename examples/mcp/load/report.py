"""What a run tells."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from examples.mcp.load.generator import NOT_SENT, Sample


@dataclass(frozen=True)
class Quantiles:
    """In seconds; NaN without samples is told as null."""

    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Quantiles":
        """Of any number of samples."""
        if not seconds:
            return cls(None, None, None, None)
        return cls(*(round(float(one), 6) for one in np.percentile(np.asarray(seconds), [50, 90, 99, 100])))


@dataclass(frozen=True)
class Report:
    """sent: calls that left; errors by kind, those included that were not sent; latency of answered calls."""

    sent: int
    ok: int
    errors: dict[str, int]
    seconds: float
    rate: float
    latency_seconds: Quantiles
    late_seconds: Quantiles

    @classmethod
    def of(cls, samples: Sequence[Sample], *, seconds: float) -> "Report":
        """seconds: how long the run took."""
        sent = [one for one in samples if one.error != NOT_SENT]
        ok = [one.latency_seconds for one in sent if one.error is None]
        errors = Counter(one.error for one in samples if one.error is not None)
        return cls(
            sent=len(sent),
            ok=len(ok),
            errors=dict(sorted(errors.items())),
            seconds=round(seconds, 3),
            rate=round(len(sent) / seconds, 3) if seconds else 0.0,
            latency_seconds=Quantiles.of(ok),
            late_seconds=Quantiles.of([one.late_seconds for one in samples]),
        )

    def told(self) -> dict[str, object]:
        """As JSON's types."""
        return asdict(self)
