"""Parts of a workload's demand, rolled up, as REST shows them."""

from collections.abc import Sequence

import numpy as np

from app.serving.rest.explanation import utc
from app.serving.rest.problems import ProblemError
from app.serving.rest.reading import time_of
from app.serving.rest.schemas import PartPath, Parts
from app.snapshot import Snapshot, number_or_none, row_view


def parts_answer(
    snapshot: Snapshot, row: int, *, level: float, by: Sequence[str] | None, horizon_seconds: float, now: float
) -> Parts:
    """The parts, or groups of them with the same values of the labels `by`. Raises ProblemError for unknown ones."""
    view = row_view(snapshot, row, now=now)
    forecast, parts = view.forecast, snapshot.parts.get(view.forecast.key)
    if level not in snapshot.levels:
        known = ", ".join(f"{one:g}" for one in snapshot.levels)
        raise ProblemError("invalid-request", f"level={level:g}: choose among {known}")
    labels = parts.labels if parts is not None else ()
    unknown = [one for one in by or () if one not in labels]
    if unknown:
        choice = ", ".join(labels) or "none, spec.parts is not set"
        raise ProblemError("invalid-request", f"by={','.join(unknown)}: choose among {choice}")
    step = snapshot.horizon_step_seconds
    steps = min(int(horizon_seconds // step), snapshot.quantiles.shape[1])
    times_s = snapshot.ahead_s(steps)
    # What /forecast shows is rounded to 7 digits; its parts add up to just that.
    path = snapshot.quantiles[row, :steps, snapshot.levels.index(level)]
    whole = np.asarray([float(f"{value:.7g}") for value in path.tolist()], dtype=np.float64)
    shown: list[PartPath] = []
    if parts is not None and parts.names:
        ahead = parts.split(whole, times_s)
        asked_for = np.asarray([np.nan if view.served is None else view.served])
        served = parts.split(asked_for, np.asarray([snapshot.cut_s + 1]))[:, 0]
        chosen = tuple(by or parts.labels)
        for name, places in parts.grouped(chosen).items():
            shown.append(
                PartPath(
                    labels=dict(zip(chosen, name, strict=True)),
                    now=number_or_none(parts.now[places].sum(dtype=np.float64)),
                    served=number_or_none(served[places].sum()),
                    values=[number_or_none(value) for value in ahead[places].sum(axis=0)],
                )
            )
    return Parts(
        namespace=forecast.namespace,
        name=forecast.name,
        unit=forecast.spec.demand.unit,
        measured=utc(float(parts.at_s)) if shown and parts is not None else None,
        note="spec.parts is not set" if forecast.spec.parts is None else parts.note if parts is not None else "",
        level=level,
        times=[time_of(float(time_s)) for time_s in times_s],
        served=view.served,
        whole=[number_or_none(value) for value in whole],
        parts=shown,
    )
