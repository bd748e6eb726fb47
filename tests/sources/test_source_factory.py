"""Settings choose the source."""

from collections import Counter
from pathlib import Path

from app.clock import PlayedClock, SystemClock
from app.settings import Settings
from app.sources.factory import make_source
from tests.sources.fake_store import FakeStore


def settings(**more: object) -> Settings:
    return Settings(**{"authentication": "none", "host": "127.0.0.1", **more})


def test_the_csv_source_follows_the_clock_of_the_service(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("timestamp,a\n0,1\n60,2\n120,3\n")
    stopped = PlayedClock(start_s=61.0, epoch_s=0.0, speed=0.0)
    source = make_source(settings(source="csv", csv_file=path), clock=stopped)
    answer = source.range("a", start_s=0, end_s=120, step_seconds=60)
    assert answer.series[0].history.times_s.tolist() == [0, 60]
    source.close()


def test_the_prometheus_source_counts_its_requests(store: FakeStore) -> None:
    outcomes: Counter[str] = Counter()
    source = make_source(
        settings(prometheus_url=store.url),
        clock=SystemClock(),
        on_request=lambda outcome: outcomes.update((outcome,)),
    )
    source.range("up", start_s=0, end_s=60, step_seconds=60)
    source.close()
    assert (len(store.asked), outcomes) == (1, {"ok": 1})
