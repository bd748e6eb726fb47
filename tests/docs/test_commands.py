"""Whatever the documents tell a reader to type exists: make targets, commands with their options, modules, folders."""

import re
from importlib.util import find_spec
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from app.cli.__main__ import COMMANDS, application
from tests.docs.conftest import ROOT, snippets

_MAKE = re.compile(r"^(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)(?![\w*-])")
_FORESCALE = re.compile(r"^(?:python -m app\.cli|(?:bin/)?forescale) ([a-z][a-z-]*)((?: .*)?)$")
_MODULE = re.compile(r"python -m ([a-z_][\w.]*)")
_KUSTOMIZE = re.compile(r"kubectl (?:[\w-]+ )*?(?:.*? )?(?:-k|kustomize) ([a-z][\w./-]*)(?![\w./{$-])")
_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_make_targets_exist(document: Path) -> None:
    named = [one for line in snippets(document.read_text()) for one in _MAKE.findall(line)]
    assert [one for one in named if one not in _TARGETS] == []


def test_commands_and_their_options_exist(document: Path) -> None:
    group = get_command(application())
    assert isinstance(group, TyperGroup)
    wrong = []
    for line in snippets(document.read_text()):
        for name, rest in _FORESCALE.findall(line):
            known = {word for one in group.commands[name].params for word in one.opts} if name in COMMANDS else set()
            options = set(re.findall(r"(?<!\S)--[a-z-]+", rest))
            if name not in COMMANDS or not options <= known | {"--help"}:
                wrong.append(line)
    assert wrong == []


def test_modules_exist(document: Path) -> None:
    named = [one for line in snippets(document.read_text()) for one in _MODULE.findall(line)]
    assert [one for one in named if find_spec(one) is None] == []


def test_kustomizations_exist(document: Path) -> None:
    named = [one for line in snippets(document.read_text()) for one in _KUSTOMIZE.findall(line)]
    assert [one for one in named if not (ROOT / one / "kustomization.yaml").exists()] == []
