"""The cluster that the dashboards suite plays: only documented names and labels, and counters that rise."""

from collections import defaultdict

from tests.e2e.dashboards.exporters import growth_past, raw_past, recorded_past, service_past
from tests.e2e.dashboards.played import DAY_SECONDS, Cluster
from tests.manifests.test_dashboards import OURS
from tools.monitoring.exported import EXPORTERS
from tools.monitoring.write import rule_files

NOW_S = 1_790_000_000.0
CLUSTER = Cluster(since_s=NOW_S - 16 * DAY_SECONDS)
DOCUMENTED = {name: set(labels) for one in EXPORTERS for name, labels in one.metrics.items()}
RECORDED = {record.name for file in rule_files() for record in file.records}


def test_every_series_has_a_documented_name_and_documented_labels() -> None:
    for name, labels, _ in CLUSTER.samples(NOW_S):
        assert labels.keys() <= DOCUMENTED[name], name


def test_no_series_is_said_twice() -> None:
    said = [(name, tuple(sorted(labels.items()))) for name, labels, _ in CLUSTER.samples(NOW_S)]
    assert len(said) == len(set(said))


def test_counters_never_fall() -> None:
    last: dict[tuple[str, str], float] = defaultdict(float)
    for hour in range(0, 16 * 24, 3):
        for name, labels, value in CLUSTER.samples(CLUSTER.since_s + hour * 3600):
            if name.endswith(("_total", "_bucket")):
                key = (name, str(sorted(labels.items())))
                assert value >= last[key], name
                last[key] = value


def test_the_past_is_told_under_names_that_are_scraped_or_recorded() -> None:
    raw = {line.split("{")[0] for line in raw_past(CLUSTER, until_s=NOW_S)}
    grown = {line.split("{")[0] for line in growth_past(CLUSTER, until_s=NOW_S)}
    recorded = {line.split("{")[0] for line in recorded_past(CLUSTER, until_s=NOW_S)}
    assert raw <= DOCUMENTED.keys()
    said = {line.split("{")[0] for line in service_past(until_s=NOW_S)}
    assert recorded | said | grown <= RECORDED | OURS
