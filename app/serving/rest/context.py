"""What all routes of REST v1 share: the snapshot of a request, its workload, and answers that did not change."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import Path, Response

from app.clock import Clock
from app.serving.rest.problems import KINDS, ProblemError
from app.snapshot import Snapshot, SnapshotStore

ONE = "/namespaces/{namespace}/loadforecasts/{name}"  # the path of one workload
Namespace = Annotated[str, Path(description="of the LoadForecast", max_length=63, examples=["mcp"])]
Name = Annotated[str, Path(description="of the LoadForecast", max_length=253, examples=["gateway"])]

_SOON_SECONDS = 5


@dataclass(frozen=True)
class Moment:
    """One snapshot and the time of a request (Unix seconds)."""

    snapshot: Snapshot
    now: float

    def row(self, namespace: str, name: str) -> int:
        """Raises ProblemError for a workload that is not there."""
        row = self.snapshot.rows.get((namespace, name))
        if row is not None:
            return row
        key = f"{namespace}/{name}"
        if key in self.snapshot.rejected:
            raise ProblemError("unknown-workload", f"LoadForecast {key} was rejected: {self.snapshot.rejected[key]}")
        raise ProblemError("unknown-workload", f"There is no LoadForecast {key}. {KINDS['unknown-workload'].remedy}")

    def etag(self, row: int | None = None) -> str:
        """Changes with the cut, the fit, and whether values may be served; ages that tick do not count (weak)."""
        snapshot = self.snapshot
        if row is None:
            state = hashlib.sha256(snapshot.servable(self.now).tobytes()).hexdigest()[:12]
        else:
            state = snapshot.refusal(row, self.now) or "served"
        return f'W/"{snapshot.cut_s}-{snapshot.fitted_s:.0f}-{state}"'


def moment(store: SnapshotStore, clock: Clock) -> Moment:
    """The latest snapshot. Raises ProblemError before the first."""
    if store.latest is None:
        text = "Histories are being read and fitted. Ask again soon."
        raise ProblemError("starting", text, headers={"retry-after": str(_SOON_SECONDS)})
    return Moment(store.latest, clock.now())


def unchanged(etag: str, if_none_match: str | None, response: Response) -> Response | None:
    """304 if the caller has it already; else None, and `response` carries the tag."""
    headers = {"etag": etag, "cache-control": "no-cache, private"}
    if if_none_match is not None and etag in [one.strip() for one in if_none_match.split(",")]:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return None
