"""LoadForecasts from a YAML file, where there is no cluster: read again whenever it changed."""

import logging
from dataclasses import replace
from pathlib import Path

from app.errors import ConfigurationError
from app.workloads.book import Book
from app.workloads.documents import Document, read_documents

log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int, int]


class FileBookKeeper:
    """The book in a file. While unchanged, `current` gives the same object; while unreadable, the last good one."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError if the file cannot be read or is not YAML; single bad documents are rejected."""
        self._path = path
        self._stamp = _stamp(path)
        self._book = read_book(path)

    def current(self) -> Book:
        """The book as of now."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._book = self._read_again()
        return self._book

    def _read_again(self) -> Book:
        try:
            book = read_book(self._path)
        except ConfigurationError as error:
            log.error("%s; the last good content stays in use", error)
            return replace(self._book, rejected={**self._book.rejected, self._path.name: str(error)})
        log.info("%s changed: %d LoadForecasts, %d rejected", self._path, len(book.forecasts), len(book.rejected))
        return book

    def ready(self) -> bool:
        """Always: the file was read at once."""
        return True

    def close(self) -> None:
        """There is nothing to end."""


def read_book(path: Path) -> Book:
    """The file's LoadForecasts in the order of their keys; raises ConfigurationError where it is not YAML."""
    documents = read_file(path)
    good = [document.forecast for document in documents if document.forecast is not None]
    rejected: dict[str, str] = {}
    for document in documents:
        if document.problems:
            name = document.key if document.key not in rejected and document.key else _place(document)
            rejected[name] = f"{_place(document)}: " + "; ".join(str(problem) for problem in document.problems)
    return Book(forecasts=tuple(sorted(good, key=lambda one: one.key)), rejected=rejected)


def read_file(path: Path) -> tuple[Document, ...]:
    """Documents of a file; raises ConfigurationError that says what to do."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); give the path of a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not text in UTF-8; save it as such") from error
    try:
        return read_documents(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _place(document: Document) -> str:
    return f"document {document.number} (line {document.line})"


def _stamp(path: Path) -> _Stamp | None:
    """Changes with the file's content; a ConfigMap's file changes by becoming another one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)
