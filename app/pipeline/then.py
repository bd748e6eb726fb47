"""What was served at a past time, computed anew: a forecast is a pure function of the history up to its cut.

One workload is enough: rows of a panel never influence each other. What is taken from today is the LoadForecast, the
measured lead, the sizes of its pods, and the number of workloads; a value that was served on because the store did not
answer is not known.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from app.clock import Clock
from app.errors import SourceUnavailable
from app.inquiries import ThenQuestion
from app.pipeline.loop import cut_at
from app.pipeline.refresh import Refresher
from app.reasons import Reason
from app.settings import Settings
from app.snapshot import Snapshot
from app.sources.factory import make_source
from app.workloads.book import Book, LeadTime
from app.workloads.nodes import Nodes
from models.experts.registry import roster_for

_FAILURES = 5
_PAUSE_SECONDS = 0.5


def snapshot_then(
    question: ThenQuestion, settings: Settings, *, clock: Clock, on_progress: Callable[[float], None]
) -> Snapshot:
    """The snapshot of the last cut that was served at question.at_s, of this workload alone. Raises SourceUnavailable.

    Reading 42 days of minutes takes seconds, fitting seconds more.
    """
    cut_s = cut_at(question.at_s, settle_seconds=settings.settle_seconds, refresh_seconds=settings.refresh_seconds)
    lead = LeadTime(question.lead_seconds, question.lead_origin)
    key = question.forecast.key
    prices = {} if question.price is None else {key: question.price}
    sizes = {} if question.sizes is None else {key: question.sizes}
    spec = question.forecast.spec.model_copy(
        update={"nodes": Nodes()}
    )  # room is not asked about; it would be fitted too
    forecast = question.forecast.model_copy(update={"spec": spec})
    book = Book(forecasts=(forecast,), leads={key: lead}, prices=prices, sizes=sizes)
    roster = roster_for(question.fleet, careful_workloads=settings.careful_workloads)
    deadline = time.monotonic() + settings.fit_timeout_seconds
    failures = 0
    with ThreadPoolExecutor(1, thread_name_prefix="source") as executor:
        refresher = Refresher(settings, make_source=make_source, clock=clock, executor=executor, roster=roster)
        try:
            while True:
                done = refresher.refresh(book, cut_s=cut_s)
                unavailable = done.snapshot.reason[0] == Reason.SOURCE_UNAVAILABLE
                failures = failures + 1 if unavailable else 0
                if failures >= _FAILURES or time.monotonic() > deadline:
                    text = done.snapshot.notes.get(key, "the history could not be read in time")
                    raise SourceUnavailable(text)
                on_progress(0.5 if done.complete else 0.1)
                if done.settled:
                    return done.snapshot
                if done.complete:
                    refresher.wait_for_fit(timeout_seconds=max(deadline - time.monotonic(), 0))
                elif unavailable:
                    time.sleep(_PAUSE_SECONDS)
        finally:
            refresher.close()
