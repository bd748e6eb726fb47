"""LoadForecasts in a file: what is read, what is rejected and with which words, and what a change does."""

import os
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.workloads.documents import read_documents
from app.workloads.file import FileBookKeeper

GOOD = """
apiVersion: forescale.dev/v1alpha1
kind: LoadForecast
metadata: {name: NAME, namespace: mcp}
spec:
  targetRef: {name: gateway}
  demand: {query: "sum(rate(requests_total[1m]))"}
  capacityPerPod: 12
"""


def good(name: str = "gateway") -> str:
    return GOOD.replace("NAME", name)


def problems(text: str) -> list[str]:
    return [str(problem) for document in read_documents(text) for problem in document.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "workloads.yaml"
    path.write_text(good())
    return path


def rewrite(path: Path, text: str) -> None:
    """As `kubectl` and editors do: a new file takes the old one's place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)  # noqa: PTH105 - the atomic one


def test_documents_are_read_in_the_order_of_their_keys(file: Path) -> None:
    rewrite(file, "---\n".join([good("b"), "", "# nothing\n", good("a")]))
    book = FileBookKeeper(file).current()
    assert [one.key for one in book.forecasts] == ["mcp/a", "mcp/b"]
    assert book.rejected == {}
    assert book.lead(book.forecasts[0]).seconds == 120


def test_without_a_namespace_it_is_default() -> None:
    (document,) = read_documents(good().replace(", namespace: mcp", ""))
    assert document.key == "default/gateway"
    assert document.forecast is not None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("capacityPerPod: 12", "capacityPerPod: 0", "spec.capacityPerPod: input should be greater than 0, not 0"),
        (
            "capacityPerPod: 12",
            "capacityPerPod: much",
            "spec.capacityPerPod: 'much' is not a quantity such as 12, 0.5 or 1500m",
        ),
        (
            "  capacityPerPod: 12",
            "  capacityPerPot: 12",
            "spec.capacityPerPot: is not a field here; did you mean capacityPerPod?",
        ),
        ("  capacityPerPod: 12", "", "spec.capacityPerPod: is missing; add it"),
        (
            "{query: ",
            "{unit: x, zzz: 1, query: ",
            "spec.demand.zzz: is not a field here; remove it, or use one of query, seriesLabels, unit",
        ),
        (
            "{name: gateway}\n",
            "{name: gateway}\n  objective: {missingPodPrice: 3, overloadBudget: 0.1}\n",
            "spec.objective: objective needs exactly one of missingPodPrice and overloadBudget",
        ),
        (
            "{name: gateway}\n",
            "{name: gateway}\n  costs: {pool: spot, podMinute: 0.01}\n",
            "spec.costs: costs takes one of pool and podMinute, not both",
        ),
        (
            "{name: gateway}\n",
            "{name: gateway}\n  costs: {missedPodMinute: 2}\n",
            "spec.costs: costs.missedPodMinute needs pool or podMinute to be compared with",
        ),
        (
            "{name: gateway}\n",
            "{name: gateway}\n  costs: {podMinute: 1, worklodType: Batch}\n",
            "spec.costs.worklodType: is not a field here; did you mean workloadType?",
        ),
        (
            "{name: gateway}\n",
            "{name: gateway}\n  nodes: {level: 0.999}\n",
            "spec.nodes.level: input should be less than or equal to 0.99, not 0.999",
        ),
        (
            "{name: gateway}\n",
            "{name: gateway}\n  nodes: {lead: {floorSeconds: 60, fallbackSeconds: 30}}\n",
            "spec.nodes.lead: nodes.lead.fallbackSeconds must not be below nodes.lead.floorSeconds",
        ),
        (
            "kind: LoadForecast",
            "kind: Deployment",
            "kind: must be LoadForecast, not Deployment; only LoadForecasts belong into this file",
        ),
        (
            "forescale.dev/v1alpha1",
            "v1",
            "apiVersion: must be forescale.dev/v1alpha1, not v1; only LoadForecasts belong into this file",
        ),
        ("metadata: {name: NAME", "metadata: {label: NAME", "metadata.name: "),
        ("name: NAME", "name: Upper_Case", "metadata.name: string should match pattern"),
        ("{name: NAME, namespace: mcp}", "[]", "metadata: must be a mapping"),
        ("namespace: mcp", "labels: 3", "metadata.labels: must be a mapping"),
        (
            "kind: LoadForecast",
            "kind: LoadForecast\nkind: LoadForecast",
            "kind is given twice in the mapping at line 2; keep one",
        ),
    ],
)
def test_what_cannot_be_used_names_the_field_and_the_change(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new).replace("NAME", "gateway"))
    assert len([text for text in found if text.startswith(expected)]) == 1, found


def test_a_document_that_is_no_mapping_is_rejected_alone(file: Path) -> None:
    rewrite(file, "- 1\n---" + good())
    book = FileBookKeeper(file).current()
    assert [one.name for one in book.forecasts] == ["gateway"]
    assert list(book.rejected) == ["document 1 (line 1)"]


def test_a_bad_document_does_not_stop_the_good_ones_and_is_told_with_its_place(file: Path) -> None:
    rewrite(file, good("one") + "---" + good("two").replace("12", "-1"))
    book = FileBookKeeper(file).current()
    assert [one.name for one in book.forecasts] == ["one"]
    assert list(book.rejected) == ["mcp/two"]
    assert book.rejected["mcp/two"].startswith("document 2 (line 10): spec.capacityPerPod: ")


def test_a_second_one_of_the_same_name_is_rejected(file: Path) -> None:
    rewrite(file, good() + "---" + good().replace("12", "15"))
    book = FileBookKeeper(file).current()
    assert [one.spec.capacity_per_pod for one in book.forecasts] == [12]
    assert "already in document 1 (line 2)" in book.rejected["mcp/gateway"]


def test_while_the_file_is_unchanged_the_book_is_the_same_object(file: Path) -> None:
    keeper = FileBookKeeper(file)
    assert keeper.ready()
    assert keeper.current() is keeper.current()


def test_a_change_is_seen(file: Path) -> None:
    keeper = FileBookKeeper(file)
    rewrite(file, good("other"))
    assert [one.name for one in keeper.current().forecasts] == ["other"]


def test_while_the_file_is_broken_the_last_good_content_is_used_and_the_trouble_shown(file: Path) -> None:
    keeper = FileBookKeeper(file)
    rewrite(file, "a: [")
    book = keeper.current()
    assert [one.name for one in book.forecasts] == ["gateway"]
    assert "document 1 is not YAML" in book.rejected["workloads.yaml"]
    rewrite(file, good("other"))
    assert keeper.current().rejected == {}


def test_a_deleted_file_changes_nothing_but_is_told(file: Path) -> None:
    keeper = FileBookKeeper(file)
    file.unlink()
    book = keeper.current()
    assert [one.name for one in book.forecasts] == ["gateway"]
    assert "cannot be read" in book.rejected["workloads.yaml"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a: [", "document 1 is not YAML"), (b"\xff\xfe\xff", "UTF-8"), (None, "cannot be read")],
)
def test_a_file_that_was_never_readable_is_refused_at_once(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "workloads.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        FileBookKeeper(path)
