"""README's table of settings says what app/settings.py says."""

import re
from pathlib import Path

from app.settings import Settings

ROOT = Path(__file__).parents[2]


def expected_rows() -> list[str]:
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `FORESCALE_{name.upper()}` | {default} | {field.description} |")
    return rows


def test_the_settings_table_of_the_readme_is_the_code_s() -> None:
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"<!-- settings: .*? -->\n(.*?)<!-- /settings -->", readme, re.DOTALL)
    assert found is not None
    assert found.group(1).splitlines() == expected_rows(), "paste:\n" + "\n".join(expected_rows())


def test_every_folder_that_the_readme_links_has_a_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
