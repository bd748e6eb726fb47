"""Servers under test: started with a log file, waited for by asking them, ended by their own process id."""

import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

T = TypeVar("T")

_POLL_SECONDS = 0.2
_TAIL_LINES = 30
_PORT_TRIES = 100
_PORTS = list(range(20_000, 32_000))  # below what Linux gives to outgoing connections; each is handed out once
_RANDOM = random.SystemRandom()  # other suites on this machine must not try the same ones in the same order


class NotInTime(AssertionError):
    """A condition did not come true by its deadline."""


def wait_until(condition: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """Asks again and again until `condition` gives something true; raises NotInTime with what was last seen."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
        except (OSError, AssertionError, LookupError, ValueError, subprocess.SubprocessError, httpx.HTTPError) as error:
            last = error
        else:
            if last:
                return last  # type: ignore[return-value]
        time.sleep(_POLL_SECONDS)
    raise NotInTime(f"{what}: not within {seconds:.0f} s; last seen: {last!r}")


def free_port() -> int:
    """A loopback port that nobody listens on, and that no outgoing connection takes before its server has started."""
    for _ in range(_PORT_TRIES):
        port = _RANDOM.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _PORTS.remove(port)
            return port
    raise OSError(f"no port is free among {_PORT_TRIES} tried")


@dataclass
class Server:
    """A running process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> "Server":
        """Starts a command; its output goes to `log`, appended."""
        name = Path(command[0]).name
        with log.open("ab") as file:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | dict(env or {}),
                cwd=cwd,
            )
        return cls(name, process, log)

    def ready(self, condition: Callable[[], object], *, seconds: float) -> "Server":
        """Waits until `condition` holds; a process that ended meanwhile is an error with the end of its log."""

        def alive_and_ready() -> object:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            return condition()

        try:
            wait_until(alive_and_ready, seconds=seconds, what=f"{self.name} is ready")
        except NotInTime as error:
            raise NotInTime(f"{error}\n{self.tail()}") from error
        return self

    def tail(self) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

    def stop(self, *, seconds: float = 15) -> None:
        """SIGTERM, then SIGKILL; only this process."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
