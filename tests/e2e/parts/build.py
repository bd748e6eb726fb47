"""Builds the real parts from their Go modules: `python tests/e2e/parts/build.py [part ...]`.

Binaries lie outside the clone in a folder named after the part, its version and a hash of all that goes in, so a
second clone finds them and a changed go.mod builds anew. FORESCALE_PARTS_DIR chooses another place.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = ("-trimpath",)


@dataclass(frozen=True)
class Part:
    """A Go module beside this file. commands: package -> names under which its binary is called; data: name of a
    file or folder beside the binaries -> module and path where it is copied from. on_request: takes too long to be
    built for everybody; only where it is named."""

    name: str
    module: str
    commands: dict[str, tuple[str, ...]]
    flags: tuple[str, ...] = ()
    data: dict[str, tuple[str, str]] = field(default_factory=dict)
    on_request: bool = False

    @property
    def folder(self) -> Path:
        """Where its go.mod lies."""
        return HERE / self.name

    @property
    def version(self) -> str:
        """Of the module that matters, as go.mod pins it."""
        found = re.search(
            rf"^\s*(?:require\s+)?{re.escape(self.module)} (v\S+)", (self.folder / "go.mod").read_text(), re.M
        )
        if found is None:
            raise SystemExit(f"{self.folder}/go.mod does not require {self.module}")
        return found.group(1)

    @property
    def link_flags(self) -> tuple[str, ...]:
        """kubectl cannot parse a server that does not know its version; istiod tells its own to every proxy."""
        if self.name == "istio":
            return ("-ldflags", f"-s -w -X istio.io/istio/pkg/version.buildVersion={self.version}")
        if self.name != "kubernetes":
            return ()
        major, minor, _ = self.version.removeprefix("v").split(".")
        values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        return (
            "-ldflags",
            " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items()),
        )

    @property
    def key(self) -> str:
        """Hash of everything that decides what the binary is."""
        digest = hashlib.sha256(repr((FLAGS, self.flags, self.link_flags, self.commands, *self.data.items())).encode())
        for file in sorted(self.folder.iterdir()):
            digest.update(file.read_bytes())
        return digest.hexdigest()[:12]

    @property
    def home(self) -> Path:
        """Where its binaries are kept."""
        return cache() / f"{self.name}-{self.version}-{self.key}"


PARTS = (
    Part(
        "kubernetes",
        "k8s.io/kubernetes",
        {".": ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")},
    ),
    Part("kwok", "sigs.k8s.io/kwok", {"sigs.k8s.io/kwok/cmd/kwok": ("kwok",)}),
    Part(
        "prometheus",
        "github.com/prometheus/prometheus",
        {
            "github.com/prometheus/prometheus/cmd/prometheus": ("prometheus",),
            "github.com/prometheus/prometheus/cmd/promtool": ("promtool",),
        },
        flags=("-tags=remove_all_sd",),
    ),
    Part(
        "istio",
        "istio.io/istio",
        {
            "istio.io/istio/pilot/cmd/pilot-discovery": ("pilot-discovery",),
            "istio.io/istio/pilot/cmd/pilot-agent": ("pilot-agent",),
            "istio.io/istio/istioctl/cmd/istioctl": ("istioctl",),
        },
        data={
            "envoy_bootstrap_tmpl.json": ("istio.io/istio", "tools/packaging/common/envoy_bootstrap.json"),
            "gateway-api-crds": ("sigs.k8s.io/gateway-api", "config/crd/standard"),
        },
    ),
    Part(
        "ratelimit",
        "github.com/envoyproxy/ratelimit",
        {"github.com/envoyproxy/ratelimit/src/service_cmd": ("ratelimit",)},
    ),
    Part("promclient", "github.com/prometheus/client_golang", {".": ("promclient",)}),
    Part(
        "keda",
        "github.com/kedacore/keda/v2",
        {
            "github.com/kedacore/keda/v2/cmd/operator": ("keda-operator",),
            "github.com/kedacore/keda/v2/cmd/adapter": ("keda-adapter",),
        },
        data={"keda-manifests": ("github.com/kedacore/keda/v2", "config")},
        on_request=True,
    ),
    Part(
        "vpa",
        "k8s.io/autoscaler/vertical-pod-autoscaler",
        {
            f"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/{name}": (f"vpa-{name}",)
            for name in ("recommender", "updater", "admission-controller")
        },
        data={"vpa-crd.yaml": ("k8s.io/autoscaler/vertical-pod-autoscaler", "deploy/vpa-v1-crd-gen.yaml")},
    ),
    Part(
        "karpenter",  # with its own provider, whose nodes are kwok's; its command is called kwok as well
        "sigs.k8s.io/karpenter",
        {"sigs.k8s.io/karpenter/kwok": ("karpenter",)},
        data={
            "karpenter-crds": ("sigs.k8s.io/karpenter", "kwok/charts/crds"),
            "karpenter-kwok-crds": ("sigs.k8s.io/karpenter", "kwok/apis/crds"),
        },
    ),
    Part("collector", "go.opentelemetry.io/collector/otelcol", {".": ("otelcol",)}),
    Part(
        "jaeger",  # 2.13: both majors were released from one commit, and the module has the elder's tag
        "github.com/jaegertracing/jaeger",
        {"github.com/jaegertracing/jaeger/cmd/jaeger": ("jaeger",)},
    ),
)


def cache() -> Path:
    """The folder of all parts."""
    chosen = os.environ.get("FORESCALE_PARTS_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen) if chosen else home / "forescale" / "parts"


def binary(command: str) -> Path:
    """Where a command of one of the parts lies; says what to do if it was not built."""
    for part in PARTS:
        if any(command in names for names in part.commands.values()):
            path = part.home / command
            if not path.exists():
                raise SystemExit(f"{command} is not built; run `python tests/e2e/parts/build.py {part.name}`")
            return path
    raise KeyError(command)


def data(name: str) -> Path:
    """Where a file or folder lies that came with one of the parts."""
    for part in PARTS:
        if name in part.data:
            return part.home / name
    raise KeyError(name)


def build(part: Part) -> str:
    """Builds one part unless it is there; returns how long that took."""
    if part.home.exists():
        return "cached"
    if shutil.which("go") is None:
        raise SystemExit(
            "Go is needed to build the real parts; install Go 1.26 or newer, or run `make test` without them"
        )
    started = time.monotonic()
    part.home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=part.home.parent) as draft:
        for package, names in part.commands.items():
            command = ["go", "build", *FLAGS, *part.flags, *part.link_flags, "-o", f"{draft}/{names[0]}", package]
            subprocess.run(command, cwd=part.folder, env=os.environ | {"CGO_ENABLED": "0"}, check=True)
            for name in names[1:]:
                (Path(draft) / name).symlink_to(names[0])
        for name, (module, path) in part.data.items():
            _copy(_module_folder(part, module) / path, Path(draft) / name)
        finished = Path(f"{draft}.done")
        Path(draft).rename(finished)
        Path(draft).mkdir()  # the context manager removes it
        finished.chmod(0o755)
        finished.rename(part.home)
    return f"{time.monotonic() - started:.0f} s"


def _module_folder(part: Part, module: str) -> Path:
    command = ["go", "list", "-m", "-f", "{{.Dir}}", module]
    found = subprocess.run(command, cwd=part.folder, capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


def _copy(source: Path, target: Path) -> None:
    """The module cache is read-only; copies are not, so that the cache of parts can be removed."""
    if source.is_file():
        target.write_bytes(source.read_bytes())
        return
    target.mkdir()
    for one in source.iterdir():
        _copy(one, target / one.name)


def main(names: list[str]) -> None:
    """Builds the named parts, or all but those on request; prints each with version and seconds. `--home PART` prints
    where it lies."""
    if names[:1] == ["--home"]:
        print(next(part.home for part in PARTS if part.name == names[1]))
        return
    print(f"parts in {cache()}, {os.cpu_count()} cores")
    for part in PARTS:
        if part.name in names or not (names or part.on_request):
            print(f"  {part.name:12s} {part.version:10s} ", end="", flush=True)
            print(build(part), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
