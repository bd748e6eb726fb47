"""A pod without a container engine: a network namespace on the node's bridge, and the machine's files below an overlay.

What a container runtime does, from the kernel's own pieces: `unshare`, a veth pair, overlayfs and chroot. Nothing that
runs in a sandbox can change a file of the machine; its volumes are written into the overlay's upper layer.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

T = TypeVar("T")

BRIDGE = "cluster0"  # made by inside.sh
GATEWAY = "10.244.0.1"
_CLONE_NEWNET = 0x40000000
_PAUSE = """
mount -t overlay overlay -o lowerdir=/,upperdir=$1/upper,workdir=$1/work $1/root
for one in proc dev sys; do mount --rbind /$one $1/root/$one; done
mount --bind /etc/hosts $1/root/etc/hosts
shift_from=$1; shift
while [ $# -gt 0 ]; do
  mkdir -p "$(dirname "$shift_from/root$2")"; touch "$shift_from/root$2"
  mount --bind "$1" "$shift_from/root$2"; shift 2
done
ip link set lo up
echo ready
exec sleep infinity
"""


@dataclass(frozen=True)
class User:
    """Numbers a process runs under; interception tells the proxy from the application by them."""

    uid: int = 0
    gid: int = 0


class Sandbox:
    """One pod's namespaces, kept by a process that sleeps."""

    def __init__(self, folder: Path, address: str, interface: str, *, binaries: Mapping[Path, str]) -> None:
        """folder: for its layers; binaries: file of the machine -> absolute path at which the pod sees it."""
        self.folder = folder
        self.address = address
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        folder.joinpath("upper").chmod(0o755)
        binds = [str(word) for pair in binaries.items() for word in pair]
        self._pause = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-eu", "-c", _PAUSE, "pause", str(folder), *binds],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        assert self._pause.stdout is not None
        if self._pause.stdout.readline() != b"ready\n":
            raise RuntimeError(f"no sandbox in {folder}")
        self._connect(interface)

    def _connect(self, interface: str) -> None:
        pid = self._pause.pid
        _run("ip", "link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _run("ip", "link", "set", interface, "master", BRIDGE, "up")
        inside = f"ip addr add {self.address}/16 dev eth0; ip link set eth0 up; ip route add default via {GATEWAY}"
        _run("nsenter", "-t", str(pid), "-n", "sh", "-eu", "-c", inside)

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """A file in the pod, before or while it runs; `path` is absolute there."""
        target = self._upper(path)
        draft = target.with_name(f".{target.name}.new")
        draft.write_bytes(content)
        draft.chmod(mode)
        draft.rename(target)

    def folder_for_all(self, path: str) -> None:
        """An empty folder in which every user of the pod may write, as an emptyDir is."""
        self._upper(path + "/x")
        self._in_root(path).chmod(0o777)

    def _upper(self, path: str) -> Path:
        target = self._in_root(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _in_root(self, path: str) -> Path:
        """Through the pause process, which alone has the overlay mounted. Links are followed as the pod sees them: an
        absolute one (/var/run) would otherwise lead out of the pod and into the machine's own files."""
        root = Path(f"/proc/{self._pause.pid}/root{self.folder}/root")
        found, parts = root, list(PurePosixPath(path).parts[1:])
        while parts:
            step = found / parts.pop(0)
            if step.is_symlink():
                target = PurePosixPath(step.readlink())
                parts = [*target.parts[1:], *parts] if target.is_absolute() else [*target.parts, *parts]
                found = root if target.is_absolute() else found
            else:
                found = step
        return found

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str], log: Path, user: User = User(), cwd: str = "/"
    ) -> "subprocess.Popen[bytes]":
        """A process in the pod; its output goes to `log`, appended. env is all of its environment."""
        words = ["nsenter", "-t", str(self._pause.pid), "-n", "-m", "chroot", str(self.folder / "root")]
        words += ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", "env", "-C", cwd]
        with log.open("ab") as file:
            return subprocess.Popen(
                [*words, *command], stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=dict(env)
            )

    def inside(self, work: Callable[[], T]) -> T:
        """Runs `work` in a thread that has the pod's network: what it connects goes through the pod's interception."""
        with ThreadPoolExecutor(1, "inside", _enter_network, (self._pause.pid,)) as thread:
            return thread.submit(work).result()

    def stop(self) -> None:
        """Ends the namespaces; processes in them must have been ended before."""
        self._pause.kill()
        self._pause.wait()
        if self._pause.stdout is not None:
            self._pause.stdout.close()


def _enter_network(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(handle, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


def required() -> None:
    """Says what is missing, if anything, before a suite starts."""
    if not os.environ.get("FORESCALE_INSIDE"):
        sys.exit("this suite needs namespaces of its own: run it by `make test-mesh`")
