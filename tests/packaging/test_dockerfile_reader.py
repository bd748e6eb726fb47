"""The reader of the Dockerfile does not pass over what it does not know."""

from pathlib import Path

import pytest

from tools.image import Copy, Ignored, command, lay_out, read

TEXT = """
ARG BASE=python:3.13.1-slim-x
# a comment
FROM ${BASE} AS build
RUN one \\
    two
FROM ${BASE}
COPY --from=build /a /b
ENV A=1 B="two words"
CMD ["serve"]
"""


def test_stages_arguments_and_continued_lines_are_understood() -> None:
    build, last = read(TEXT)
    assert (build.base, build.name, last.name) == ("python:3.13.1-slim-x", "build", "")
    assert build.last("RUN").split() == ["one", "two"]
    assert last.environment == {"A": "1", "B": "two words"}
    assert last.listed("CMD") == ["serve"]
    assert Copy.of(last.last("COPY")) == Copy(("/a",), "/b", "build")


@pytest.mark.parametrize("line", ["ADD x /y", "HEALTHCHECK CMD true", 'SHELL ["sh"]'])
def test_an_unknown_instruction_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="not known"):
        read(TEXT + line + "\n")


def test_a_shell_line_cannot_be_taken_for_a_plain_command() -> None:
    with pytest.raises(ValueError, match="plain command"):
        command("a && b", python="python3", root=Path("/r"))


def test_a_command_is_moved_below_the_root() -> None:
    moved = command("python -m venv /opt/x", python="/bin/py", root=Path("/r"))
    assert moved == ["/bin/py", "-m", "venv", "/r/opt/x"]


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("secret", True),
        ("app", False),
        ("app/main.py", False),
        ("app/cli/__pycache__/main.pyc", True),
        ("application/main.py", True),
        ("requirements/service.txt", False),
        ("requirements/dev.txt", True),
    ],
)
def test_the_last_matching_pattern_decides(path: str, out: bool) -> None:
    assert (path in Ignored("# all\n*\n!app\n!requirements/service.txt\n**/__pycache__\n")) is out


def test_files_land_where_the_copy_says(tmp_path: Path) -> None:
    (tmp_path / "context" / "app").mkdir(parents=True)
    for name in ("app/a.py", "app/b.pyc", "LICENSE"):
        (tmp_path / "context" / name).write_text(name)
    stages = read("FROM x\nCOPY app /srv/app\nCOPY LICENSE /srv/\n")
    lay_out(stages, context=tmp_path / "context", ignored=Ignored("**/*.pyc"), root=tmp_path / "root")
    found = {
        path.relative_to(tmp_path / "root").as_posix() for path in (tmp_path / "root").rglob("*") if path.is_file()
    }
    assert found == {"srv/app/a.py", "srv/LICENSE"}
