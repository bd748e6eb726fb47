"""The Dockerfile, read and followed without a container: what it copies, what it runs, what it starts.

Only what our Dockerfile uses is understood; anything else is an error, so that nothing is passed over in silence.
"""

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

KNOWN = frozenset("ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM LABEL RUN STOPSIGNAL USER WORKDIR".split())  # noqa: SIM905


@dataclass(frozen=True)
class Instruction:
    """One instruction with continuation lines joined and build arguments put in."""

    word: str
    text: str


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next."""

    base: str
    name: str
    steps: tuple[Instruction, ...]

    def last(self, word: str) -> str:
        """The text of the last such instruction; raises KeyError."""
        found = [one.text for one in self.steps if one.word == word]
        if not found:
            raise KeyError(word)
        return found[-1]

    def all(self, word: str) -> tuple[str, ...]:
        """The texts of all such instructions."""
        return tuple(one.text for one in self.steps if one.word == word)

    def listed(self, word: str) -> list[str]:
        """The last such instruction in its JSON form: ["a", "b"]."""
        return [str(one) for one in json.loads(self.last(word))]

    @property
    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        pairs = (word.partition("=") for text in self.all("ENV") for word in shlex.split(text))
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True)
class Copy:
    """A COPY: from the context, or from an earlier stage."""

    sources: tuple[str, ...]
    destination: str
    stage: str | None

    @classmethod
    def of(cls, text: str) -> "Copy":
        """From the instruction's text."""
        words = shlex.split(text)
        stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
        if any(word.startswith("--") for word in words):
            raise ValueError(f"COPY {text}: unknown flag")
        return cls(tuple(words[:-1]), words[-1], stage)


def read(text: str) -> list[Stage]:
    """The stages of a Dockerfile. Raises ValueError for what this reader does not know."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for one in _instructions(text):
        if one.word not in KNOWN:
            raise ValueError(f"{one.word} is not known here")
        if one.word == "ARG":
            name, _, value = one.text.partition("=")
            arguments[name] = value
        elif one.word == "FROM":
            base, _, name = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], one.text).partition(" AS ")
            stages.append(Stage(base, name, ()))
        else:
            stages[-1] = Stage(stages[-1].base, stages[-1].name, (*stages[-1].steps, one))
    return stages


def _instructions(text: str) -> Iterator[Instruction]:
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n", " ", plain).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield Instruction(word, rest.strip())


class Ignored:
    """A .dockerignore: the last pattern that matches a path, or a folder above it, decides."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        self._rules = [(_matcher(line.lstrip("!")), line.startswith("!")) for line in lines if line and line[0] != "#"]

    def __contains__(self, path: str) -> bool:
        """Whether the path (relative, with /) stays out of the context."""
        above = [str(one) for one in (PurePosixPath(path), *PurePosixPath(path).parents)][:-1]
        ignored = False
        for pattern, spared in self._rules:
            if any(pattern.fullmatch(one) for one in above):
                ignored = not spared
        return ignored


def _matcher(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(part) or re.escape(part) for part in parts))


def lay_out(stages: Sequence[Stage], *, context: Path, ignored: Ignored, root: Path) -> None:
    """Follows every COPY from the context; the paths of the image lie below `root`. One tree for all stages."""
    for stage in stages:
        for copy in (Copy.of(text) for text in stage.all("COPY")):
            if copy.stage is None:
                for source in copy.sources:
                    _copy(context, source, ignored, target(copy, source, root=root))


def target(copy: Copy, source: str, *, root: Path) -> Path:
    """Where a source lands: inside a destination that ends in /, else under that very name."""
    place = root / copy.destination.lstrip("/")
    return place / PurePosixPath(source).name if copy.destination.endswith("/") else place


def _copy(context: Path, source: str, ignored: Ignored, place: Path) -> None:
    if (context / source).is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(context / source, place)
        return
    for file in sorted((context / source).rglob("*")):
        if file.is_file() and file.relative_to(context).as_posix() not in ignored:
            copied = place / file.relative_to(context / source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)


def command(text: str, *, python: str, root: Path) -> list[str]:
    """A RUN step as arguments, with the image's folders moved below `root` and `python` as its interpreter."""
    if re.search(r"[|;&<>$`]", text):
        raise ValueError(f"RUN {text}: only a plain command can be run here")
    moved = ("/opt/", "/srv", "/tmp/")  # noqa: S108 - a path of the image, not of this machine
    words = [str(root / word[1:]) if word.startswith(moved) else word for word in shlex.split(text)]
    return [python if words[0] == "python" else words[0], *words[1:]]
