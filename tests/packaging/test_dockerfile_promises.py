"""What an image must be before anybody runs it: pinned, whole, of nobody's privilege."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tools.image import Copy, Ignored, Stage


def pip_steps(stages: list[Stage]) -> list[str]:
    return [text for stage in stages for text in stage.all("RUN") if re.search(r"\bpip\b.* install\b", text)]


def test_every_base_names_one_release_of_python_and_debian(stages: list[Stage]) -> None:
    assert [
        one.base for one in stages if not re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:.+)?", one.base)
    ] == []


def test_its_python_is_one_that_the_project_supports(stages: list[Stage], context: Path) -> None:
    supported = SpecifierSet(tomllib.loads((context / "pyproject.toml").read_text())["project"]["requires-python"])
    versions = {stage.base.split(":")[1].split("-")[0] for stage in stages}
    assert len(versions) == 1
    assert versions.pop() in supported


def test_what_it_installs_is_checked_against_hashes_and_nothing_is_resolved_anew(stages: list[Stage]) -> None:
    steps = pip_steps(stages)
    assert len(steps) == 1
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(steps[0].split())


def test_every_locked_package_has_a_hash(context: Path) -> None:
    logical = (context / "requirements" / "service.txt").read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in logical if "==" in line]
    assert len(packages) > 40
    assert [line.split("==")[0] for line in packages if "--hash=sha256:" not in line] == []


def test_it_installs_a_version_of_each_dependency_for_its_python(stages: list[Stage], context: Path) -> None:
    version = stages[0].base.split(":")[1].split("-")[0]
    environment = {"python_full_version": version, "python_version": ".".join(version.split(".")[:2])}
    logical = (context / "requirements" / "service.txt").read_text().replace("\\\n", " ").splitlines()
    locked = [Requirement(line.split("--hash")[0].strip()) for line in logical if "==" in line]
    installed = [one.name for one in locked if one.marker is None or one.marker.evaluate(environment)]
    direct = tomllib.loads((context / "pyproject.toml").read_text())["project"]["dependencies"]
    assert sorted(installed) == sorted(set(installed))
    assert {Requirement(one).name for one in direct} <= set(installed)


def test_it_has_the_openmp_runtime_that_lightgbm_needs(stages: list[Stage]) -> None:
    assert any(re.search(r"\bapt-get install\b.*\blibgomp1\b", text) for text in stages[-1].all("RUN"))


def test_it_runs_as_a_numbered_user_other_than_root(stages: list[Stage]) -> None:
    user, _, group = stages[-1].last("USER").partition(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert 0 not in (int(user), int(group))


def test_what_is_copied_exists_and_is_sent_to_the_builder(stages: list[Stage], ignored: Ignored, context: Path) -> None:
    sources = [
        one
        for stage in stages
        for text in stage.all("COPY")
        if not (copy := Copy.of(text)).stage
        for one in copy.sources
    ]
    assert {"app", "models", "LICENSE", "NOTICE"} <= set(sources)
    assert [one for one in sources if one in ignored or not (context / one).exists()] == []


def test_nothing_else_is_sent_to_the_builder(stages: list[Stage], ignored: Ignored, context: Path) -> None:
    copied = {source for stage in stages for text in stage.all("COPY") for source in Copy.of(text).sources}
    sent = [path.name for path in context.iterdir() if path.is_dir() and path.name not in ignored]
    assert set(sent) <= copied
    for private in (".git/config", ".venv/bin/python", "tests/conftest.py", "key.pem", "app/cli/__pycache__/x.pyc"):
        assert private in ignored


def test_the_port_that_it_names_is_the_default_of_the_settings(stages: list[Stage]) -> None:
    from app.settings import Settings

    assert stages[-1].last("EXPOSE") == str(Settings.model_fields["port"].default)


def test_stages_copy_only_from_stages_before_them(stages: list[Stage]) -> None:
    known: set[str] = set()
    for stage in stages:
        assert {copy.stage for copy in map(Copy.of, stage.all("COPY")) if copy.stage} <= known
        known.add(stage.name)
