"""Whatever the documents tell a reader to type exists: make targets, modules, folders."""

import re
from importlib.util import find_spec
from pathlib import Path

from tests.docs.conftest import ROOT, snippets

_MAKE = re.compile(r"^(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)(?![\w*-])")
_MODULE = re.compile(r"python -m ([a-z_][\w.]*)")
_KUSTOMIZE = re.compile(r"kubectl (?:[\w-]+ )*?(?:.*? )?(?:-k|kustomize) ([a-z][\w./-]*)")
_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_make_targets_exist(document: Path) -> None:
    named = [one for line in snippets(document.read_text()) for one in _MAKE.findall(line)]
    assert [one for one in named if one not in _TARGETS] == []


def test_modules_exist(document: Path) -> None:
    named = [one for line in snippets(document.read_text()) for one in _MODULE.findall(line)]
    assert [one for one in named if find_spec(one) is None] == []


def test_kustomizations_exist(document: Path) -> None:
    named = [one for line in snippets(document.read_text()) for one in _KUSTOMIZE.findall(line)]
    assert [one for one in named if not (ROOT / one / "kustomization.yaml").exists()] == []
