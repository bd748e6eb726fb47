"""Which version is the latest: semantic versions by their precedence, above all others; those by publication."""

import re
from datetime import datetime

_SEMANTIC = re.compile(
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z.-]+)?$"
)
Key = tuple[bool, tuple[int, ...], bool, tuple[tuple[bool, int, str], ...], datetime]


def precedence(version: str, *, published_at: datetime) -> Key:
    """A sort key: larger is later. Semantic Versioning 2.0.0, item 11, for versions that follow it."""
    found = _SEMANTIC.match(version)
    if found is None:
        return (False, (), False, (), published_at)
    numbers = tuple(int(found[group]) for group in (1, 2, 3))
    parts = found[4].split(".") if found[4] else []
    release = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return (True, numbers, not parts, release, published_at)
