"""THIRD_PARTY.md's table of libraries: which licence covers each package that the image installs.

    python -m tools.third_party            compares the table with the installed metadata
    python -m tools.third_party --write    writes it anew, after the lock has changed

Packages say it in three ways (PEP 639 expression, free text, classifiers); here all become SPDX identifiers.
"""

import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "service.txt"
PAGE = ROOT / "THIRD_PARTY.md"

# May be used and passed on in a service under Apache-2.0. MPL-2.0 binds changes to its own files; we change none.
ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0"}
    | {"MPL-2.0", "PSF-2.0", "Zlib"}
)
_FREE_TEXT = {
    "Apache 2.0": "Apache-2.0",
    "2-clause BSD": "BSD-2-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "ISC License": "ISC",
}
_CLASSIFIERS = {"MIT License": "MIT", "Apache Software License": "Apache-2.0"}
# Where the metadata is wider than the truth, or the package is only installed elsewhere (a marker in the lock).
_STATED = {
    "colorama": "BSD-3-Clause",  # Windows
    "google-re2": "BSD-3-Clause",  # states it in its LICENSE alone
    "promql-parser": "MIT",  # states it in its LICENSE alone
    "scipy": "BSD-3-Clause",  # its field holds the licence's whole text
    "uvloop": "Apache-2.0 OR MIT",  # ships both texts
}
_TABLE = re.compile(r"(<!-- libraries: .*? -->\n).*?(<!-- /libraries -->)", re.DOTALL)


@dataclass(frozen=True)
class Library:
    """One locked package. licence: an SPDX expression, empty if nothing usable is stated."""

    name: str
    licence: str

    @property
    def identifiers(self) -> frozenset[str]:
        """The licences that the expression names."""
        return frozenset(re.findall(r"[A-Za-z0-9.\-]+", self.licence)) - {"AND", "OR", "WITH"}


def locked_names(lock: str) -> list[str]:
    """Names in a requirements file, sorted, each once (a package may be locked per Python version)."""
    return sorted(set(re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", lock, re.MULTILINE)))


def licence_of(name: str) -> str:
    """SPDX expression of an installed package; empty if it states none that we know."""
    if name in _STATED:
        return _STATED[name]
    found = metadata.metadata(name)
    for expression in found.get_all("License-Expression") or []:
        return str(expression)
    for text in found.get_all("License") or []:
        return _FREE_TEXT.get(str(text), str(text))
    named = [one.rsplit(" :: ", 1)[-1] for one in found.get_all("Classifier") or [] if one.startswith("License ::")]
    return " AND ".join(_CLASSIFIERS.get(one, "") for one in named)


def libraries(lock: str) -> list[Library]:
    """Every package of the lock with its licence."""
    return [Library(name, licence_of(name)) for name in locked_names(lock)]


def table(rows: list[Library]) -> str:
    """The table between the page's marks."""
    lines = [f"| {one.name} | {one.licence} |" for one in rows]
    return "\n".join(["| library | licence |", "|---|---|", *lines]) + "\n"


def listed(page: str) -> list[Library]:
    """The rows of a page."""
    found = _TABLE.search(page)
    rows = re.findall(r"^\| ([^|]+) \| ([^|]*) \|$", found.group(0), re.MULTILINE) if found else []
    return [Library(name, licence) for name, licence in rows if name != "library"]


def main(arguments: list[str]) -> int:
    """Prints what is wrong; 0 if nothing is."""
    rows = libraries(LOCK.read_text())
    page = PAGE.read_text()
    if "--write" in arguments:
        page = _TABLE.sub(lambda found: found.group(1) + table(rows) + found.group(2), page)
        PAGE.write_text(page)
    troubles = [f"{one.name}: licence {one.licence or 'unknown'}" for one in rows if not one.identifiers <= ALLOWED]
    troubles += [f"{one.name}: no licence is stated" for one in rows if not one.identifiers]
    if listed(page) != rows:
        troubles.append("THIRD_PARTY.md differs from what is locked: python -m tools.third_party --write")
    sys.stdout.write("\n".join(troubles or [f"{len(rows)} libraries, all under allowed licences"]) + "\n")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
