"""README, the front page: short, and its figures are those that were measured."""

import re

from tests.docs.conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_the_evidence_is_that_of_the_benchmarks() -> None:
    found = re.search(r"<!-- evidence: .*? -->\n(.*?)\n<!-- /evidence -->", README, re.DOTALL)
    assert found is not None
    rows = found.group(1).splitlines()
    assert len(rows) > 5
    assert [row for row in rows if row not in (ROOT / "benchmarks" / "README.md").read_text().splitlines()] == []


def test_it_says_what_it_is_in_five_lines_and_fits_on_a_few_screens() -> None:
    first = README.split("\n\n")[1].splitlines()
    assert len(first) == 5
    assert len(README.splitlines()) <= 160


def test_pictures_say_in_words_what_they_show() -> None:
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", README)
    assert len(pictures) >= 2
    assert all(len(text) > 20 for text, _ in pictures)
