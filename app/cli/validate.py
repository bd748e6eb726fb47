"""`forescale validate`: LoadForecast files, before they are applied."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import Output, OutputOption, errors_told, print_document
from app.errors import ConfigurationError
from app.workloads.documents import Document
from app.workloads.file import read_file
from app.workloads.spec import API_VERSION


def validate(
    files: Annotated[list[Path], typer.Argument(help="YAML files with LoadForecasts, one or more documents each.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Check LoadForecast files: each document is ok, or its field and what to change. Exit code 1 if any is not."""
    with errors_told():
        found = [(file, document) for file in files for document in _read(file)]
    if output is Output.TEXT:
        for file, document in found:
            _print(file, document)
    else:
        print_document([_as_json(file, document) for file, document in found], output)
    if any(document.problems for _, document in found):
        raise typer.Exit(1)


def _read(file: Path) -> tuple[Document, ...]:
    documents = read_file(file)
    if not documents:
        raise ConfigurationError(f"{file} holds no document; a LoadForecast starts with `apiVersion: {API_VERSION}`")
    return documents


def _print(file: Path, document: Document) -> None:
    place = f"{file}:{document.line}: {document.key}"
    if not document.problems:
        print(f"{place}: ok")
    for problem in document.problems:
        print(f"{place}: {problem}")


def _as_json(file: Path, document: Document) -> dict[str, object]:
    problems = [{"field": problem.field, "text": problem.text} for problem in document.problems]
    return {
        "file": str(file),
        "document": document.number,
        "line": document.line,
        "key": document.key,
        "problems": problems,
    }
