"""Pages that are written from the code say what the code says."""

import pytest

from app import telemetry
from app.cli.__main__ import COMMANDS
from app.planning.capacity import LASTING_SECONDS
from app.settings import Settings
from app.workloads.spec import LoadForecastSpec
from tests.docs.conftest import ROOT
from tools.reference.pages import PAGES, text_of
from tracing.mcp import names


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == text_of(name), "run `make reference`"


def test_every_setting_has_a_row_with_its_default_and_its_bounds() -> None:
    page = text_of("configuration.md")
    assert all(f"| `FORESCALE_{name.upper()}` |" in page for name in Settings.model_fields)
    assert "| `FORESCALE_PORT` | `6443` | integer ≥ 0, ≤ 65535 |" in page


def test_every_field_of_a_loadforecast_has_a_row() -> None:
    page = text_of("loadforecast.md")
    fields = [field.alias or name for name, field in LoadForecastSpec.model_fields.items()]
    assert [one for one in fields if f"| `{one}` |" not in page] == []
    assert "| `demand.query` | **required** | string |" in page


def test_every_metric_of_the_service_and_of_the_library_has_a_row() -> None:
    page = text_of("metrics.md")
    own = [one for one in vars(telemetry).values() if isinstance(one, telemetry.Metric)]
    assert [one.name for one in own if f"| `{one.name}` | {one.kind} |" not in page] == []
    assert [one.name for one in names.METRICS if f"| `{one.name.replace('.', '_')}" not in page] == []
    assert "| `mcp_server_operation_duration_seconds` | histogram |" in page


def test_every_command_has_its_section() -> None:
    page = text_of("commands.md")
    assert [one for one in COMMANDS if f"## `forescale {one}`" not in page] == []


@pytest.mark.parametrize("name", ["docs/operations.md", "docs/troubleshooting.md"])
def test_how_long_demand_has_to_last_is_told_as_it_is(name: str) -> None:
    assert LASTING_SECONDS == 120, "the documents say two minutes"
    assert "the demand that has lasted two minutes" in (ROOT / name).read_text()
