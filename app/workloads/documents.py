"""LoadForecasts in a YAML text, document by document; what cannot be used names its field and what to change."""

import difflib
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.errors import ConfigurationError
from app.workloads.spec import API_VERSION, KIND, LoadForecast, LoadForecastSpec


@dataclass(frozen=True)
class FieldProblem:
    """field: dotted path in the document, empty for the whole of it. text: what is wrong and what to change."""

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}" if self.field else self.text


@dataclass(frozen=True)
class Document:
    """One document of a file. number counts from 1, line is its first; forecast is None where there are problems."""

    number: int
    line: int
    key: str
    forecast: LoadForecast | None
    problems: tuple[FieldProblem, ...] = ()


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key given twice: YAML would silently drop the first, kube-apiserver would not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<")
        twice = [str(key) for key, count in seen.items() if count > 1]
        if twice:
            line = node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(twice)} is given twice in the mapping at line {line}; keep one", None
            )
        return super().construct_mapping(node, deep=deep)


def read_documents(text: str) -> tuple[Document, ...]:
    """All documents that are not empty; raises ConfigurationError where the text is not YAML."""
    documents: list[Document] = []
    taken: dict[str, Document] = {}
    for number, line, content in _contents(text):
        document = _document(number, line, content)
        if document.forecast is not None:
            document = _unique(document, taken)
        documents.append(document)
    return tuple(documents)


def _contents(text: str) -> Iterator[tuple[int, int, object]]:
    """Number, line and value of each document; a value that cannot be built comes as the error."""
    loader = _StrictLoader(text)
    number = 0
    try:
        while loader.check_node():
            number += 1
            node = loader.get_node()
            assert node is not None  # check_node said so
            content = _constructed(loader, node)
            if content is not None:
                yield number, node.start_mark.line + 1, content
    except yaml.YAMLError as error:
        raise ConfigurationError(f"document {max(number, 1)} is not YAML: {_words(error)}") from error
    finally:
        loader.dispose()


def _constructed(loader: _StrictLoader, node: yaml.Node) -> object:
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a timestamp such as 2026-13-45
        return error


def _document(number: int, line: int, content: object) -> Document:
    if isinstance(content, Exception):
        return _unusable(number, line, "", FieldProblem("", _words(content)))
    if not isinstance(content, dict):
        text = f"a {type(content).__name__} instead of a mapping; start with `apiVersion: {API_VERSION}`"
        return _unusable(number, line, "", FieldProblem("", text))
    key = _key(content)
    for field, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if content.get(field) != expected:
            text = f"must be {expected}, not {content.get(field)}; only LoadForecasts belong into this file"
            return _unusable(number, line, key, FieldProblem(field, text))
    for field, required in (("metadata", True), ("spec", True), ("metadata.labels", False)):
        value: Any = content
        for part in field.split("."):
            value = value.get(part)
        if not isinstance(value, dict) and (required or value is not None):
            return _unusable(number, line, key, FieldProblem(field, "must be a mapping"))
    try:
        return Document(number, line, key, LoadForecast.from_object(content))
    except ValidationError as error:
        inside = "spec" if error.title == LoadForecastSpec.__name__ else "metadata"
        return _unusable(number, line, key, *(_explained(inside, one) for one in error.errors()))


def _unusable(number: int, line: int, key: str, *problems: FieldProblem) -> Document:
    return Document(number, line, key, None, problems)


def _key(content: dict[str, Any]) -> str:
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        return ""
    return f"{metadata.get('namespace') or 'default'}/{metadata['name']}"


def _unique(document: Document, taken: dict[str, Document]) -> Document:
    first = taken.setdefault(document.key, document)
    if first is document:
        return document
    text = f"{document.key} is already in document {first.number} (line {first.line}); rename or remove one"
    return _unusable(document.number, document.line, document.key, FieldProblem("metadata.name", text))


def _words(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        place = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return f"{error.problem}{place}"
    return str(error)


def _explained(inside: str, error: ErrorDetails) -> FieldProblem:
    """A validation error in words that say what to change."""
    path = [str(part) for part in error["loc"]]
    field = ".".join([inside, *path])
    if error["type"] == "missing":
        return FieldProblem(field, "is missing; add it")
    if error["type"] == "extra_forbidden":
        return FieldProblem(field, f"is not a field here; {_known_fields(path)}")
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = error["input"]
    ours = error["type"] == "value_error"  # such a message of ours shows what was given, where that helps
    shown = f", not {given!r}" if isinstance(given, str | int | float) and not ours else ""
    return FieldProblem(field, f"{message}{shown}")


def _known_fields(path: list[str]) -> str:
    known = _aliases(path[:-1])
    near = difflib.get_close_matches(path[-1], known, n=1)
    return f"did you mean {near[0]}?" if near else f"remove it, or use one of {', '.join(known)}"


def _aliases(path: list[str]) -> list[str]:
    """Names of the fields at a path of the spec; the number of an entry in a list is passed over."""
    model: type[BaseModel] = LoadForecastSpec
    for part in path:
        if part.isdecimal():
            continue
        field = next(one for one in model.model_fields.values() if one.alias == part)
        model = _model_in(field.annotation)
    return [str(field.alias) for field in model.model_fields.values()]


def _model_in(annotation: Any) -> type[BaseModel]:
    """The model of a part, of a list's entries, or of an optional part."""
    (found,) = (
        one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel)
    )
    return found
