"""Recording rules and alerts by promtool: what was reckoned by hand, on both sides of every threshold."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.e2e.parts.build import binary
from tests.manifests.promql import filled
from tools.monitoring.dashboards.cost import over_range
from tools.monitoring.dashboards.tracing import tracing
from tools.monitoring.panels import Panel
from tools.monitoring.rules.cost import WORKLOAD_COST
from tools.monitoring.write import FOLDER, ROOT, rule_files

MONITORING = ROOT / FOLDER
CASES = sorted((MONITORING / "tests").glob("*.yaml"))


def promtool(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [str(binary("promtool")), *words]
    return subprocess.run(command, cwd=MONITORING, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", [one.name for one in rule_files()])
def test_prometheus_takes_the_rule_file(name: str) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", f"rules/{name}.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_rules_say_what_was_reckoned_by_hand(file: Path) -> None:
    done = promtool("test", "rules", f"tests/{file.name}")
    assert done.returncode == 0, done.stdout + done.stderr


def reckoned(folder: Path, expr: str, series: Mapping[str, str], *, at: str, expected: Mapping[str, float]) -> str:
    """What promtool has against the values, by labels, that an expression has of series; empty: nothing."""
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": at,
                "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
            }
        ],
    }
    file = folder / "case.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "fuzzy_compare": True, "tests": [case]}))
    done = promtool("test", "rules", str(file))
    return done.stdout + done.stderr if done.returncode else ""


def test_a_workload_is_billed_for_as_long_as_it_ran_however_often_its_cost_was_recorded(tmp_path: Path) -> None:
    series = {
        'workload:cost:hourly{workload="job"}': "_x60 1x9 stale",
        'workload:cost:hourly{workload="each minute"}': "0.5x1440",
        'workload:cost:hourly{workload="each five minutes"}': "0.5 " + "_x4 0.5 " * 288,
    }
    expected = {
        '{workload="job"}': 10 / 60,
        '{workload="each minute"}': 12.0,
        '{workload="each five minutes"}': 12.0,
    }
    assert reckoned(tmp_path, filled(over_range(WORKLOAD_COST)), series, at="1d", expected=expected) == ""


@pytest.mark.parametrize(
    ("pods", "spans"),
    [(("agent-abcde", "agent-fghij", "gateway-0", "jaeger-0"), 20), (("gateway-0", "jaeger-0"), 10)],
    ids=["two tiers", "a single collector"],
)
def test_a_span_that_passes_several_collectors_counts_once(tmp_path: Path, pods: tuple[str, ...], spans: float) -> None:
    name = 'otelcol_receiver_accepted_spans{namespace="tracing", pod="%s", receiver="otlp"}'
    series = {name % pod: "0+600x60" for pod in pods}
    panels = [one for one in tracing().content if isinstance(one, Panel) and one.title == "Spans"]
    assert reckoned(tmp_path, filled(panels[0].queries[0].expr), series, at="10m", expected={"{}": spans}) == ""
