"""Rules and alerts: both forms agree, every metric exists, every alert has its runbook and its two tests."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.manifests.promql import metrics
from tests.manifests.test_dashboards import KNOWN
from tools.monitoring.rules.model import RUNBOOKS, Alert, Record, RuleFile
from tools.monitoring.write import FOLDER, ROOT, rule_files

MONITORING = ROOT / FOLDER
FILES = rule_files()
ALERTS = [alert for file in FILES for alert in file.alerts]
RULES = [*ALERTS, *(record for file in FILES for record in file.records)]
HEADINGS = ["## What it means", "## Find the cause", "## What to do"]
every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def cases() -> Iterator[dict[str, Any]]:
    """Of `promtool test rules`, which tests/e2e/dashboards runs."""
    for file in sorted((MONITORING / "tests").glob("*.yaml")):
        yield from yaml.safe_load(file.read_text())["tests"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_operators_object_and_the_plain_file_are_the_same_rules(file: RuleFile) -> None:
    plain = yaml.safe_load((MONITORING / "rules" / f"{file.name}.yaml").read_text())
    manifest = yaml.safe_load((MONITORING / "operator" / f"prometheusrule-{file.name}.yaml").read_text())
    assert manifest["spec"] == plain


def test_a_name_stands_for_one_thing() -> None:
    assert len({one.name for one in ALERTS}) == len(ALERTS)
    records = [(one.name, tuple(one.labels.items())) for file in FILES for one in file.records]
    assert len(set(records)) == len(records)
    groups = [group.name for file in FILES for group in file.groups]
    assert len(set(groups)) == len(groups)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_asks_for_metrics_that_somebody_exports_or_records(rule: Alert | Record) -> None:
    assert metrics(rule.expr)
    assert metrics(rule.expr) <= KNOWN


@pytest.mark.parametrize("record", sorted({one.name for file in FILES for one in file.records}))
def test_a_record_is_named_level_metric_operation_and_is_reckoned_in_a_test(record: str) -> None:
    assert record.count(":") == 2
    assert any(record in one["expr"] for case in cases() for one in case.get("promql_expr_test", []))


@every_alert
def test_an_alert_is_tested_silent_and_firing_on_the_same_series(alert: Alert) -> None:
    """At two times, a step apart: so `for` is tested too."""
    told = [[bool(one.get("exp_alerts")) for one in case.get("alert_rule_test", []) if one["alertname"] == alert.name]
            for case in cases()]  # fmt: skip
    assert any({True, False} <= set(one) for one in told)


@every_alert
def test_an_alert_has_a_runbook_that_tells_meaning_cause_and_cure(alert: Alert) -> None:
    text = (MONITORING / "runbooks" / f"{alert.name}.md").read_text()
    assert text.startswith(f"# {alert.name}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == HEADINGS
    assert alert.rule()["annotations"]["runbook_url"] == f"{RUNBOOKS}/{alert.name}.md"


def test_there_is_no_runbook_without_an_alert() -> None:
    pages = {path.stem for path in (MONITORING / "runbooks").glob("*.md")} - {"README"}
    assert pages == {one.name for one in ALERTS}
