"""Who asks. Hashable, so that decisions can be remembered by caller."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

ANONYMOUS = "system:anonymous"
UNAUTHENTICATED = "system:unauthenticated"
AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"

Extra = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class User:
    """A caller as SubjectAccessReview knows it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Extra = ()

    def with_authenticated_group(self) -> "User":
        """The user as member of system:authenticated, unless anonymous or already in one of the two groups."""
        if self.name == ANONYMOUS or AUTHENTICATED in self.groups or UNAUTHENTICATED in self.groups:
            return self
        return replace(self, groups=(*self.groups, AUTHENTICATED))


def anonymous_user() -> User:
    """Whoever shows no credential."""
    return User(ANONYMOUS, groups=(UNAUTHENTICATED,))


def sorted_extra(extra: Mapping[str, Iterable[str]]) -> Extra:
    """Extra attributes in an order of their own, so that equal callers are equal."""
    return tuple(sorted((key, tuple(values)) for key, values in extra.items()))
