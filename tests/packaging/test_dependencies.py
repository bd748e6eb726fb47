"""What the code imports is what is declared, locked, and listed with its licence."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import third_party

# Packages that show through in the interface of a declared one, which therefore decides their version.
PART_OF = {
    "starlette": "fastapi",
    "pydantic_core": "pydantic",
    "urllib3": "kubernetes",
    "requests": "prometheus-api-client",
}


def imported(folder: Path) -> set[str]:
    """Top-level names of all absolute imports."""
    names: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
    return names


def declared(context: Path) -> set[str]:
    lines = tomllib.loads((context / "pyproject.toml").read_text())["project"]["dependencies"]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_every_import_of_the_service_is_a_declared_dependency(context: Path) -> None:
    names = imported(context / "app") | imported(context / "models")
    owners = packages_distributions()
    optional = tomllib.loads((context / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    foreign = names - sys.stdlib_module_names - {"app", "models", *optional}
    undeclared = {
        name for name in foreign if not {canonicalize_name(one) for one in owners.get(name, [])} & declared(context)
    }
    assert {PART_OF.get(name) for name in undeclared} <= declared(context), undeclared


def test_every_declared_dependency_is_locked(context: Path) -> None:
    locked = third_party.locked_names((context / "requirements" / "service.txt").read_text())
    assert declared(context) <= {canonicalize_name(one) for one in locked}


def test_what_is_installed_for_developing_contains_what_the_image_installs(context: Path) -> None:
    service, dev = ((context / "requirements" / f"{one}.txt").read_text() for one in ("service", "dev"))
    pins = re.compile(r"^\S+==[^ \\]+", re.MULTILINE)
    assert set(pins.findall(service)) <= set(pins.findall(dev))


def test_locks_name_no_place_to_download_from(context: Path) -> None:
    for name in ("service", "dev"):
        assert "://" not in (context / "requirements" / f"{name}.txt").read_text()


def test_every_locked_library_is_listed_with_an_allowed_licence(context: Path) -> None:
    locked = third_party.locked_names((context / "requirements" / "service.txt").read_text())
    rows = third_party.listed((context / "THIRD_PARTY.md").read_text())
    assert [one.name for one in rows] == locked
    assert [one for one in rows if not one.identifiers or not one.identifiers <= third_party.ALLOWED] == []


def test_listed_licences_are_those_of_the_installed_packages(context: Path) -> None:
    lock = (context / "requirements" / "service.txt").read_text()
    once = {
        name for name in third_party.locked_names(lock) if len(re.findall(rf"^{re.escape(name)}==", lock, re.M)) == 1
    }
    rows = third_party.listed((context / "THIRD_PARTY.md").read_text())
    assert [one for one in rows if one.name in once and one.licence != third_party.licence_of(one.name)] == []


def test_a_licence_that_nobody_allowed_is_noticed() -> None:
    assert not third_party.Library("x", "MIT AND (GPL-3.0-only OR MIT)").identifiers <= third_party.ALLOWED


def test_the_licence_is_the_whole_apache_licence(context: Path) -> None:
    text = (context / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.splitlines()) == 202
