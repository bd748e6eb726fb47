"""Programs of the demo: started with a log, waited for, ended by their own process id."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

ROOT = Path(__file__).parents[3]
_POLL_SECONDS = 0.2
_TAIL_LINES = 15


class ProgramError(Exception):
    """A program ended, or was not ready in time; with the end of its log."""


@dataclass
class Program:
    """A running process. It is not in the terminal's group: Ctrl-C reaches the demo alone, which ends it in order."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    @classmethod
    def start(
        cls, name: str, command: Sequence[str | Path], *, folder: Path, env: Mapping[str, str] | None = None
    ) -> Self:
        """Its errors go to `folder`, its standard output stays to be read."""
        log = folder / f"{name}.log"
        with log.open("w") as file:
            process = subprocess.Popen(  # noqa: S603 - the demo's own commands
                [str(word) for word in command],
                stdout=subprocess.PIPE,
                stderr=file,
                stdin=subprocess.DEVNULL,
                text=True,
                cwd=ROOT,
                env=os.environ | dict(env or {}),
                start_new_session=True,
            )
        return cls(name, process, log)

    @classmethod
    def sample(cls, module: str, *arguments: str, folder: Path) -> Self:
        """One of the samples."""
        return cls.start(module, [sys.executable, "-m", f"examples.mcp.{module}", *arguments], folder=folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def said(self) -> dict[str, Any]:
        """The next line of its output, as JSON. Raises ProgramError if it ends without one."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ProgramError(f"{self.name} ended:\n{self.tail()}")
        said: dict[str, Any] = json.loads(line)
        return said

    def ready(self, url: str, *, seconds: float) -> Self:
        """Waits until `url` answers with 200. Raises ProgramError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ProgramError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if _answers(url):
                return self
            time.sleep(_POLL_SECONDS)
        raise ProgramError(f"{self.name}: {url} not ready within {seconds:.0f} s:\n{self.tail()}")

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

    def end(self, *, seconds: float = 30) -> None:
        """SIGTERM, and SIGKILL for one that does not go."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
