"""`python -m tools.monitoring`: writes dashboards, rules and alerts; `--check` only says what differs."""

import sys

from tools.monitoring.write import ROOT, differences, outputs, write


def main(arguments: list[str]) -> int:
    """0, or 1 where `--check` found a difference."""
    if "--check" in arguments:
        for path in (changed := differences(outputs(), ROOT)):
            sys.stdout.write(f"{path} is not what the code makes; run `make monitoring`\n")
        return 1 if changed else 0
    for path in write(outputs(), ROOT):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
