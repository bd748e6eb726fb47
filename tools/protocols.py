"""Compiles app/serving/keda/externalscaler.proto: `python -m tools.protocols`; a test compares what is committed."""

import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTO = Path("app/serving/keda/externalscaler.proto")


def compiled() -> dict[str, str]:
    """Path in the clone -> text, of each module that is made of the interface."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["protoc", f"-I{ROOT}", f"--python_out={folder}", f"--grpc_python_out={folder}", str(PROTO)]
        if protoc.main(words) != 0:
            raise SystemExit(f"{PROTO} cannot be compiled")
        return {str(path.relative_to(folder)): path.read_text() for path in sorted(Path(folder).rglob("*.py"))}


def main() -> None:
    """Writes them."""
    for path, text in compiled().items():
        (ROOT / path).write_text(text)


if __name__ == "__main__":
    main()
