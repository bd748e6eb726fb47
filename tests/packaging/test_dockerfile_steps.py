"""The image's files, laid out without a container, start as the image would start them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tools.image import Stage


def files(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*")}


def user_of(stage: Stage) -> int | None:
    """The image's user, if we may become it and it may run this interpreter."""
    user = int(stage.last("USER").partition(":")[0])
    if os.geteuid() != 0:
        return None
    try:
        subprocess.run([sys.executable, "-c", ""], user=user, group=user, extra_groups=[], check=True, cwd="/")
    except (PermissionError, subprocess.CalledProcessError):
        return None  # the interpreter lies in a home folder; the tree is still watched for writes
    return user


def started(stage: Stage, root: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs ENTRYPOINT with other arguments in WORKDIR, with ENV alone as environment."""
    interpreter, *rest = stage.listed("ENTRYPOINT")
    assert interpreter == "python"
    user = user_of(stage)
    with tempfile.TemporaryDirectory() as writable:
        Path(writable).chmod(0o777)
        return subprocess.run(
            [sys.executable, *rest, *arguments],
            cwd=root / stage.last("WORKDIR").lstrip("/"),
            env={**stage.environment, "TMPDIR": writable, **settings},
            user=user,
            group=user,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.mark.parametrize("arguments", [("--help",), ("settings",)])
def test_the_entry_point_runs_with_only_what_was_copied_and_writes_nothing(
    stages: list[Stage], image_root: Path, arguments: tuple[str, ...]
) -> None:
    before = files(image_root)
    done = started(stages[-1], image_root, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert files(image_root) == before


def test_the_default_command_serves_and_says_what_is_missing(stages: list[Stage], image_root: Path) -> None:
    before = files(image_root)
    done = started(stages[-1], image_root, *stages[-1].listed("CMD"))
    assert done.returncode not in (0, -9)
    assert "tls_cert_file" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert files(image_root) == before
