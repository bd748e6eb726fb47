"""Identity headers of a front proxy: read where its certificate vouches for them, removed in any case."""

from collections.abc import Iterable, Sequence
from urllib.parse import unquote_to_bytes

from app.serving.access.identity import User, sorted_extra
from app.serving.access.reviews import AuthenticationConfig

RawHeaders = list[tuple[bytes, bytes]]

# Removed even before any configuration is known, so that no door can ever mistake them for an identity.
_ALWAYS_REMOVED = frozenset({b"x-remote-user", b"x-remote-uid", b"x-remote-group"})
_ALWAYS_REMOVED_PREFIX = b"x-remote-extra-"


class BadIdentityHeader(ValueError):
    """A header's bytes are not text."""


class IdentityHeaders:
    """The header names of one configuration, ready for comparing."""

    def __init__(self, config: AuthenticationConfig) -> None:
        self._users = _lowered(config.username_headers)
        self._uids = _lowered(config.uid_headers)
        self._groups = _lowered(config.group_headers)
        self._prefixes = (*_lowered(config.extra_prefixes),)
        self._removed = _ALWAYS_REMOVED | {*self._users, *self._uids, *self._groups}
        self._removed_prefixes = (_ALWAYS_REMOVED_PREFIX, *self._prefixes)

    def user(self, headers: RawHeaders) -> User | None:
        """Who the headers name; None without a user name. To be called only for a trusted proxy."""
        name = _first_value(self._users, headers)
        if not name:
            return None
        return User(
            name,
            uid=_first_value(self._uids, headers),
            groups=tuple(_text(value) for name in self._groups for key, value in headers if key == name and value),
            extra=sorted_extra(self._extra(headers)),
        )

    def _extra(self, headers: RawHeaders) -> dict[str, list[str]]:
        extra: dict[str, list[str]] = {}
        for prefix in self._prefixes:
            for key, value in headers:
                if key.startswith(prefix):
                    extra.setdefault(_unescaped(key[len(prefix) :]), []).append(_text(value))
        return extra

    def without(self, headers: RawHeaders) -> RawHeaders:
        """The headers that the doors may see."""
        return [header for header in headers if not self._names_identity(header[0])]

    def _names_identity(self, key: bytes) -> bool:
        return key in self._removed or key.startswith(self._removed_prefixes)


def _lowered(names: Iterable[str]) -> Sequence[bytes]:
    return tuple(name.strip().lower().encode() for name in names if name.strip())


def _first_value(names: Sequence[bytes], headers: RawHeaders) -> str:
    """The first header of the first configured name that is not blank; of repeated headers the first counts."""
    for name in names:
        value = next((value.strip() for key, value in headers if key == name), b"")
        if value:
            return _text(value)
    return ""


def _unescaped(key: bytes) -> str:
    """An extra's key: lower-cased, then percent-decoded."""
    return _text(unquote_to_bytes(key.lower()))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadIdentityHeader("an identity header is not UTF-8") from None
