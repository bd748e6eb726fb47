"""The command line: what a person reads, what a program reads, and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from app.cli.__main__ import COMMANDS, application
from app.cli.output import EXIT_CODES
from app.settings import Settings

app = application()

ROOT = Path(__file__).parents[2]
FORESCALE = [sys.executable, "-m", "app.cli"]

GOOD = """
apiVersion: forescale.dev/v1alpha1
kind: LoadForecast
metadata: {name: gateway, namespace: mcp}
spec:
  targetRef: {name: gateway}
  demand: {query: requests_total}
  capacityPerPod: 12
"""
BAD = GOOD.replace("gateway, ", "broken, ").replace("12", "0")


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "workloads.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_file_is_ok(runner: CliRunner, file: Path) -> None:
    result = runner.invoke(app, ["validate", str(file)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{file}:2: mcp/gateway: ok\n"


def test_each_document_is_told_with_its_field_and_one_bad_one_fails_the_file(runner: CliRunner, file: Path) -> None:
    file.write_text(GOOD + "---" + BAD)
    result = runner.invoke(app, ["validate", str(file)])
    assert result.exit_code == 1
    good, bad = result.stdout.splitlines()
    assert good.endswith("mcp/gateway: ok")
    assert bad == f"{file}:10: mcp/broken: spec.capacityPerPod: input should be greater than 0, not 0"


def test_programs_get_the_same_as_json(runner: CliRunner, file: Path) -> None:
    file.write_text(GOOD + "---" + BAD)
    result = runner.invoke(app, ["validate", str(file), "--output", "json"])
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)
    assert (good["key"], good["problems"]) == ("mcp/gateway", [])
    assert (bad["document"], bad["line"], bad["problems"][0]["field"]) == (2, 10, "spec.capacityPerPod")
    assert yaml.safe_load(runner.invoke(app, ["validate", str(file), "--output", "yaml"]).stdout) == [good, bad]


@pytest.mark.parametrize(("content", "words"), [("a: [", "is not YAML"), ("# nothing\n", "holds no document")])
def test_a_file_without_a_readable_document_is_an_error(
    runner: CliRunner, file: Path, content: str, words: str
) -> None:
    file.write_text(content)
    result = runner.invoke(app, ["validate", str(file)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"error: {file}" in result.stderr
    assert words in result.stderr


def test_a_file_that_is_not_there_is_an_error_of_one_line(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["validate", str(tmp_path / "none.yaml")])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_every_setting_is_listed_with_its_reason(runner: CliRunner) -> None:
    listed = json.loads(runner.invoke(app, ["settings", "--output", "json"]).stdout)
    assert [entry["variable"] for entry in listed] == [f"FORESCALE_{name.upper()}" for name in Settings.model_fields]
    assert all(entry["description"] for entry in listed)
    assert yaml.safe_load(runner.invoke(app, ["settings", "--output", "yaml"]).stdout) == listed
    table = runner.invoke(app, ["settings"]).stdout
    assert all(entry["variable"] in table for entry in listed)
    assert "FORESCALE_SOURCE" in table


def test_the_env_form_can_be_read_by_a_shell_line_by_line(runner: CliRunner) -> None:
    lines = runner.invoke(app, ["settings", "--output", "env"]).stdout.splitlines()
    assert "FORESCALE_REFRESH_SECONDS=15" in lines
    assert "# FORESCALE_CSV_FILE=" in lines
    assert [line for line in lines if not line.startswith(("FORESCALE_", "# "))] == []


def test_settings_that_contradict_each_other_are_named_before_the_service_starts(runner: CliRunner) -> None:
    env = {"FORESCALE_AUTHENTICATION": "none", "FORESCALE_HOST": "0.0.0.0"}
    for command in (["settings", "--check"], ["serve"]):
        result = runner.invoke(app, command, env=env)
        assert result.exit_code == 1
        assert "authentication=none is only for loopback" in result.stderr


def test_settings_that_can_be_used_are_said_to_be(runner: CliRunner) -> None:
    env = {"FORESCALE_AUTHENTICATION": "none", "FORESCALE_HOST": "127.0.0.1"}
    assert runner.invoke(app, ["settings", "--check"], env=env).exit_code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_every_option_of_it_explains_itself(runner: CliRunner, command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"{command} [OPTIONS]" in result.stdout
    (found,) = [one for one in get_command(app).commands.items() if one[0] == command]  # type: ignore[attr-defined]
    assert [one.name for one in found[1].params if not one.help] == []


def test_the_help_of_all_names_the_exit_codes(runner: CliRunner) -> None:
    text = " ".join(runner.invoke(app, ["--help"]).stdout.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in text
        assert f"| {code} | {meaning} |" in (ROOT / "docs" / "commands.md").read_text()


def test_wrong_usage_has_an_exit_code_of_its_own(runner: CliRunner) -> None:
    for words in (["no-such-command"], ["forecast", "--horizon", "0"], ["settings", "--output", "xml"]):
        result = runner.invoke(app, words)
        assert (result.exit_code, result.stdout) == (2, ""), words


def test_a_table_is_not_folded_where_no_terminal_limits_it(file: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    done = subprocess.run([*FORESCALE, "settings"], capture_output=True, text=True, env=environment, check=True)
    rows = [line for line in done.stdout.splitlines() if line.lstrip().startswith("FORESCALE_")]
    assert len(rows) == len(Settings.model_fields)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["what"], ["what-if"]),
        (["doctor", "--output", ""], ["text", "json", "yaml"]),
        (["replay", "--ba"], ["--backend"]),
    ],
)
def test_a_shell_is_offered_how_a_word_may_go_on(typed: list[str], offered: list[str]) -> None:
    environment = os.environ | {
        "_FORESCALE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["forescale", *typed]),
        "COMP_CWORD": str(len(typed)),
    }
    done = subprocess.run(FORESCALE, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == offered


def test_the_shell_s_script_can_be_had_without_changing_a_file() -> None:
    command = [*FORESCALE, "--show-completion", "bash"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"SHELL": "bash"})
    assert "_FORESCALE_COMPLETE=complete_bash" in done.stdout, done.stderr
