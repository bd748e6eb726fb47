"""Who may write: bearer tokens from a file, each with the names it may publish."""

import fnmatch
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path


class UnauthorizedError(Exception):
    """No token, or one that nobody knows."""


class ForbiddenError(Exception):
    """The token is known, and not for this name."""


@dataclass(frozen=True)
class Tokens:
    """SHA-256 of each token and the pattern of names it may write; an empty table: the registry is read-only."""

    patterns: tuple[tuple[bytes, str], ...] = ()

    @classmethod
    def read(cls, path: Path | None) -> "Tokens":
        """A line a token: the token, a space, a pattern of names such as `com.example/*`. # begins a comment."""
        if path is None:
            return cls()
        lines = [line.split() for line in path.read_text().splitlines() if line.strip() and line[0] != "#"]
        if any(len(words) != 2 for words in lines):
            raise ValueError(f"{path}: a line is a token and a pattern of names")
        return cls(tuple((_digest(token), pattern) for token, pattern in lines))

    def check(self, authorization: str | None, *, name: str) -> None:
        """Raises UnauthorizedError or ForbiddenError unless the header's token may write the server `name`."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthorizedError("send a token: Authorization: Bearer TOKEN")
        digest = _digest(token.strip())
        known = [pattern for each, pattern in self.patterns if hmac.compare_digest(each, digest)]
        if not known:
            raise UnauthorizedError("the token is not known")
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in known):
            raise ForbiddenError(f"the token may not write {name}")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
