"""docs/configuration.md from app/settings.py."""

from typing import Final

from app.settings import Settings
from tools.reference.schemas import allowed
from tools.reference.tables import code, table

_HEAD: Final = """\
# Configuration

Written by `make reference` from app/settings.py; what is changed here is lost.

The service reads environment variables once, at its start. In a cluster they are the ConfigMap `forescale`, and
`kubectl -n forescale rollout restart deployment/forescale` lets a change take effect. Secrets are files, which are read
again when they change. An impossible value or combination ends the start with a sentence that names the variable;
`forescale settings --check` says the same without starting, `forescale settings --output env` prints lines for a file.

What is said about one workload is not here but in its [LoadForecast](loadforecast.md).
"""


def settings_page() -> str:
    """The page."""
    described = Settings.model_json_schema()["properties"]
    rows = [
        (
            code(f"FORESCALE_{name.upper()}"),
            code(field.default),
            allowed(described[name]),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]
    return f"{_HEAD}\n{table(('variable', 'default', 'values', 'what it is'), rows)}\n"
