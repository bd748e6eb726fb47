"""The image of the samples keeps the promises of the service's, and each program starts in it."""

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.conftest import laid_out
from tests.packaging.test_dependencies import imported
from tests.packaging.test_dockerfile_promises import (  # noqa: F401 - collected here on this module's fixtures
    test_every_base_names_one_release_of_python_and_debian,
    test_it_runs_as_a_numbered_user_other_than_root,
    test_its_python_is_one_that_the_project_supports,
    test_stages_copy_only_from_stages_before_them,
    test_what_it_installs_is_checked_against_hashes_and_nothing_is_resolved_anew,
)
from tests.packaging.test_dockerfile_steps import files, started
from tools.image import Copy, Ignored, Stage, read

FOLDER = "examples/mcp"
# Packages that show through in the interface of a declared one, which therefore decides their version.
PART_OF = {"starlette": "fastapi", "anyio": "mcp", "httpx2": "mcp", "mcp_types": "mcp", "sse_starlette": "mcp"}
PROGRAMS = ["registry", "servers.catalog", "servers.workshop", "agent", "load"]


@pytest.fixture(scope="session")
def stages(context: Path) -> list[Stage]:
    return read((context / FOLDER / "Dockerfile").read_text())


@pytest.fixture(scope="session")
def ignored(context: Path) -> Ignored:
    return Ignored((context / FOLDER / "Dockerfile.dockerignore").read_text())


@pytest.fixture
def image_root(stages: list[Stage], ignored: Ignored) -> Iterator[Path]:
    with laid_out(stages, ignored) as root:
        yield root


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_starts_with_only_what_was_copied_and_writes_nothing(
    stages: list[Stage], image_root: Path, program: str
) -> None:
    before = files(image_root)
    done = started(stages[-1], image_root, f"examples.mcp.{program}", "--help")
    assert done.returncode == 0, done.stderr
    assert "--metrics-port" in done.stdout
    assert files(image_root) == before


def test_what_is_copied_exists_and_nothing_else_is_sent_to_the_builder(
    stages: list[Stage], ignored: Ignored, context: Path
) -> None:
    copies = [Copy.of(text) for stage in stages for text in stage.all("COPY")]
    sources = {source for copy in copies if copy.stage is None for source in copy.sources}
    assert {"examples", "tracing", "requirements/examples.txt"} <= sources
    assert [one for one in sources if one in ignored or not (context / one).exists()] == []
    sent = {path.name for path in context.iterdir() if path.is_dir() and path.name not in ignored}
    assert sent <= sources


def test_every_import_of_samples_and_instrumentation_is_a_declared_dependency(context: Path) -> None:
    project = tomllib.loads((context / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["mcp"]]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    owners = packages_distributions()
    foreign = (imported(context / "examples") | imported(context / "tracing")) - sys.stdlib_module_names
    undeclared = {
        PART_OF.get(name, name)
        for name in foreign - {"examples", "tracing"}
        if not {canonicalize_name(one) for one in owners.get(name, [])} & declared
    }
    assert undeclared <= declared


def test_the_manifests_start_programs_that_the_image_has(stages: list[Stage], context: Path) -> None:
    assert stages[-1].listed("ENTRYPOINT") == ["python", "-m"]
    for file in (context / FOLDER / "k8s" / "base").glob("*/deployment.yaml"):
        (container,) = yaml.safe_load(file.read_text())["spec"]["template"]["spec"]["containers"]
        assert container["args"][0].removeprefix("examples.mcp.") in PROGRAMS
        assert f"--port={stages[-1].last('EXPOSE')}" in container["args"]
