"""Name of each page -> the function that writes it."""

from collections.abc import Callable
from typing import Final

from tools.reference.commands import commands_page
from tools.reference.metrics import metrics_page
from tools.reference.resource import resource_page
from tools.reference.settings import settings_page

PAGES: Final[dict[str, Callable[[], str]]] = {
    "configuration.md": settings_page,
    "loadforecast.md": resource_page,
    "metrics.md": metrics_page,
    "commands.md": commands_page,
}


def text_of(name: str) -> str:
    """The page of that name, ending in one line feed."""
    return PAGES[name]().rstrip("\n") + "\n"
