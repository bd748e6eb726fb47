"""Compiles the interfaces of others that are served here: `python -m tools.protocols`; a test compares the result."""

import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTOS = (Path("app/serving/keda/externalscaler.proto"), Path("app/serving/expander/expander.proto"))


def compiled() -> dict[str, str]:
    """Path in the clone -> text, of each module that is made of an interface."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["protoc", f"-I{ROOT}", f"--python_out={folder}", f"--grpc_python_out={folder}", *map(str, PROTOS)]
        if protoc.main(words) != 0:
            raise SystemExit(f"{', '.join(map(str, PROTOS))} cannot be compiled")
        return {str(path.relative_to(folder)): path.read_text() for path in sorted(Path(folder).rglob("*.py"))}


def main() -> None:
    """Writes them."""
    for path, text in compiled().items():
        (ROOT / path).write_text(text)


if __name__ == "__main__":
    main()
