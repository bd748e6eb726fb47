"""The Dockerfile as it is in the clone, and its files laid out as they are in the image."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.image import Ignored, Stage, lay_out, read

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def context() -> Path:
    """The folder that an image is built from."""
    return ROOT


@pytest.fixture(scope="session")
def stages() -> list[Stage]:
    return read((ROOT / "Dockerfile").read_text())


@pytest.fixture(scope="session")
def ignored() -> Ignored:
    return Ignored((ROOT / ".dockerignore").read_text())


@pytest.fixture
def image_root(stages: list[Stage], ignored: Ignored) -> Iterator[Path]:
    """The service's image."""
    with laid_out(stages, ignored) as root:
        yield root


@contextmanager
def laid_out(stages: list[Stage], ignored: Ignored) -> Iterator[Path]:
    """A read-only tree with what a Dockerfile copies; anybody may read it, so that another user can run it."""
    root = Path(tempfile.mkdtemp(prefix="forescale-image-"))
    lay_out(stages, context=ROOT, ignored=ignored, root=root)
    _set_modes(root, file_mode=0o444, folder_mode=0o555)
    yield root
    _set_modes(root, file_mode=0o644, folder_mode=0o755)
    shutil.rmtree(root)


def _set_modes(root: Path, *, file_mode: int, folder_mode: int) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(folder_mode if path.is_dir() else file_mode)
