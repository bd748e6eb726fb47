"""Processes of a benchmark: started, read from, measured through /proc, and ended."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


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


def tree(pid: int) -> dict[int, str]:
    """A process and its descendants: pid -> role. Roles follow from the order of starting."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue  # ended meanwhile
    found, depth = {pid: 0}, {pid: 0}
    for child in sorted(parents):
        if parents[child] in depth:
            depth[child] = depth[parents[child]] + 1
            found[child] = depth[child]
    return {one: ("serving", "pipeline", "fit")[min(level, 2)] for one, level in found.items()}


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, its ended children not included; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def memory_mib(pid: int) -> tuple[float, float]:
    """(RSS, PSS) in MiB; PSS counts what processes share only once. Zeros if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kib = {line.split(":")[0]: float(line.split()[1]) for line in lines if line.startswith(("Rss:", "Pss:"))}
    return kib.get("Rss", 0.0) / 1024, kib.get("Pss", 0.0) / 1024


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


@dataclass(frozen=True)
class Machine:
    """Time of all cores since boot, in ticks."""

    busy: int
    stolen: int
    total: int

    @classmethod
    def now(cls) -> Self:
        """As /proc/stat says: user, nice, system, idle, iowait, irq, softirq, steal."""
        ticks = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        idle, stolen = ticks[3] + ticks[4], ticks[7]
        return cls(sum(ticks) - idle - stolen, stolen, sum(ticks))


class Watch:
    """Samples a process tree every second until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._cpu: dict[int, float] = {}
        self.usage = Usage()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._before = Machine.now()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        after, before = Machine.now(), self._before
        self.usage.busy_ratio = (after.busy - before.busy) / (after.total - before.total)
        self.usage.stolen_ratio = (after.stolen - before.stolen) / (after.total - before.total)

    def _run(self) -> None:
        while True:
            self._sample()
            if self._stop.wait(1.0):
                return

    def _sample(self) -> None:
        usage, together, by_role = self.usage, [0.0, 0.0], dict[str, float]()
        for pid, role in tree(self._pid).items():
            rss, pss = memory_mib(pid)
            together = [together[0] + rss, together[1] + pss]
            by_role[role] = by_role.get(role, 0.0) + pss
            spent = cpu_seconds(pid)
            if pid in self._cpu:
                usage.cpu_seconds_by_role[role] = usage.cpu_seconds_by_role.get(role, 0.0) + max(
                    spent - self._cpu[pid], 0
                )
            self._cpu[pid] = spent
        usage.rss_mib, usage.pss_mib = max(usage.rss_mib, together[0]), max(usage.pss_mib, together[1])
        for role, pss in by_role.items():
            usage.pss_mib_by_role[role] = max(usage.pss_mib_by_role.get(role, 0.0), pss)
