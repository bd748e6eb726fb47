"""`python -m tools.roles`: writes everything made from mesh/roles/roles.yaml; `--check` only says what differs."""

import sys

from tools.roles.table import ROOT, Table
from tools.roles.write import differences, outputs, write


def main(arguments: list[str]) -> int:
    """0, or 1 where `--check` found a difference."""
    made = outputs(Table.read())
    changed = differences(made, ROOT)
    if "--check" in arguments:
        for path in changed:
            sys.stdout.write(f"{path} is not what the table makes; run `make roles`\n")
        return 1 if changed else 0
    write(made, ROOT)
    sys.stdout.write(f"{len(changed)} of {len(made)} files written anew\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
