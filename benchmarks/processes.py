"""Processes of a benchmark: started, spoken to, measured, and ended."""

import json
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[1]
_MIB = 2**20
_ROLES = ("serving", "pipeline", "fit")  # each is started by the one before


class Helper:
    """A Python module that runs beside the service; it prints one line of JSON when it is ready."""

    def __init__(self, module: str, *arguments: str, config: Mapping[str, object] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(config or {}) + "\n")
        self._process.stdin.flush()
        self.said: dict[str, Any] = json.loads(self._process.stdout.readline() or "{}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass
class Usage:
    """Peaks of memory over all processes together, of each role, and processor seconds of each role.

    busy_ratio, stolen_ratio: shares of all cores' time that any program used, and that the hypervisor took.
    """

    rss_mib: float = 0.0
    pss_mib: float = 0.0
    pss_mib_by_role: dict[str, float] = field(default_factory=dict)
    cpu_seconds_by_role: dict[str, float] = field(default_factory=dict)
    busy_ratio: float = 0.0
    stolen_ratio: float = 0.0


class Watch:
    """Samples the service's processes every second until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._stop = threading.Event()
        self._spent: dict[psutil.Process, float] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.usage = Usage()

    def __enter__(self) -> Self:
        self._before = psutil.cpu_times()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        passed = [after - before for after, before in zip(psutil.cpu_times()[:8], self._before[:8], strict=True)]
        idle, stolen = passed[3] + passed[4], passed[7]  # user, nice, system, idle, iowait, irq, softirq, steal
        self.usage.busy_ratio = 1 - (idle + stolen) / sum(passed)
        self.usage.stolen_ratio = stolen / sum(passed)

    def _run(self) -> None:
        while True:
            self._sample()
            if self._stop.wait(1.0):
                return

    def _sample(self) -> None:
        rss = pss = 0.0
        by_role: dict[str, float] = defaultdict(float)
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                role, memory, spent = self._role(process), process.memory_full_info(), sum(process.cpu_times()[:2])
            except psutil.Error:
                continue  # it has just ended
            rss += memory.rss / _MIB
            pss += memory.pss / _MIB
            by_role[role] += memory.pss / _MIB
            cpu = self.usage.cpu_seconds_by_role
            cpu[role] = cpu.get(role, 0.0) + spent - self._spent.get(process, spent)
            self._spent[process] = spent
        self.usage.rss_mib, self.usage.pss_mib = max(self.usage.rss_mib, rss), max(self.usage.pss_mib, pss)
        for role, mib in by_role.items():
            self.usage.pss_mib_by_role[role] = max(self.usage.pss_mib_by_role.get(role, 0.0), mib)

    def _role(self, process: psutil.Process) -> str:
        if process == self._root:
            return _ROLES[0]
        return _ROLES[1] if process.ppid() == self._root.pid else _ROLES[2]
