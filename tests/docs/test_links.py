"""Every relative link of every document leads to a file that is there, and to a heading of it."""

import re
from pathlib import Path

from tests.docs.conftest import ROOT, documents, prose

_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(path: Path) -> set[str]:
    """As GitHub makes them: lower case, punctuation dropped, spaces to hyphens."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    wrong = []
    for link in _LINK.findall(prose(document.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, heading = link.partition("#")
        target = document.parent / file if file else document
        if not target.exists() or (heading and heading not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_no_link_leaves_the_repository(document: Path) -> None:
    local = [one for one in _LINK.findall(prose(document.read_text())) if not re.match(r"[a-z]+:|#", one)]
    outside = [one for one in local if not (document.parent / one).resolve().is_relative_to(ROOT)]
    assert outside == []


def test_every_page_of_docs_is_in_its_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {link for link in _LINK.findall(index) if "/" not in link} >= pages


def test_documents_are_found() -> None:
    assert {"README.md", "docs/README.md", "app/README.md"} <= {str(one.relative_to(ROOT)) for one in documents()}
