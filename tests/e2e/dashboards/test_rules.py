"""Recording rules and alerts by promtool: what was reckoned by hand, on both sides of every threshold."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.parts.build import binary
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
