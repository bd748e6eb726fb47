"""The documents of the repository, and what stands in their code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")


def documents() -> list[Path]:
    """All markdown files, but for folders that are nobody's work."""
    found = (path for path in ROOT.rglob("*.md") if not {"build", "node_modules"} & set(path.parts))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts))


def prose(text: str) -> str:
    """The text without its code blocks and spans."""
    return _SPAN.sub("", _BLOCK.sub("", text))


def snippets(text: str) -> Iterator[str]:
    """Every line of a code block, comments cut off and continued lines joined, and every code span."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.split(" #")[0].strip()
    yield from _SPAN.findall(_BLOCK.sub("", text))


@pytest.fixture(params=documents(), ids=lambda path: str(path.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> Path:
    """Each document in turn."""
    path: Path = request.param
    return path
