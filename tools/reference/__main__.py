"""`python -m tools.reference`: writes the pages anew; `--check` only says which differ, exit code 1 if any does."""

import sys
from pathlib import Path

from tools.reference.pages import PAGES, text_of

DOCS = Path(__file__).parents[2] / "docs"


def main(words: list[str]) -> int:
    """0, or 1 where --check found a page that is not what the code says."""
    differing = [name for name in PAGES if _read(DOCS / name) != text_of(name)]
    if "--check" not in words:
        for name in differing:
            (DOCS / name).write_text(text_of(name), encoding="utf-8")
    sys.stdout.write("".join(f"docs/{name}\n" for name in differing))
    return 1 if differing and "--check" in words else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
