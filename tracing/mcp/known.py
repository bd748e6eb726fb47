"""Names that may become attribute values. Whatever else a caller invents is one value: the cardinality is bounded."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from tracing.mcp import names

_LIMIT = 1000
"""Names learned for each of tools and prompts; a list that grows without end is cut here."""
_LISTINGS = {"tools/list": "tools", "prompts/list": "prompts"}
_TARGETS = {"tools/call": "tools", "prompts/get": "prompts"}


class KnownNames:
    """Names of tools and prompts seen in listings, and those that `registered` knows at the moment."""

    def __init__(self, registered: Callable[[str, str], bool] | None = None, *, limit: int = _LIMIT) -> None:
        """`registered(kind, name)`: whether a server has a tool or prompt ("tools", "prompts") of that name now."""
        self._registered = registered
        self._limit = limit
        self._learned: dict[str, set[str]] = {"tools": set(), "prompts": set()}

    def learn(self, kind: str, learned: Iterable[str]) -> None:
        """Adds names until the limit is reached."""
        known = self._learned[kind]
        for name in learned:
            if len(known) >= self._limit:
                return
            known.add(name)

    def learn_from_listing(self, method: str, result: object) -> None:
        """Adds the names in the answer to tools/list or prompts/list: its wire form, or the model of it."""
        if (kind := _LISTINGS.get(method)) is None:
            return
        if isinstance(result, Mapping):
            self.learn(kind, [entry["name"] for entry in result[kind]])
        else:
            self.learn(kind, [entry.name for entry in getattr(result, kind, ())])

    def has(self, method: str, name: str) -> bool:
        """Whether `name` is known as a target of `method`."""
        kind = _TARGETS[method]
        return name in self._learned[kind] or (self._registered is not None and self._registered(kind, name))

    def learn_target(self, method: str, name: str) -> None:
        """Adds the target of a call that succeeded."""
        self.learn(_TARGETS[method], [name])


def target_of(method: str, params: Mapping[str, Any] | None) -> str | None:
    """The tool or prompt that a message names, as the caller wrote it; None where it names none."""
    if method not in _TARGETS or not params:
        return None
    name = params.get("name")
    return name if isinstance(name, str) else None


def bounded_method(method: str, has_handler: Callable[[str], bool] | None = None) -> str:
    """`method` where the protocol or the server has it."""
    if method in SPEC_CLIENT_METHODS or method in SPEC_CLIENT_NOTIFICATION_METHODS:
        return method
    return method if has_handler is not None and has_handler(method) else names.OTHER


def bounded_version(version: str) -> str:
    """`version` where the SDK knows it."""
    return version if version in KNOWN_PROTOCOL_VERSIONS else names.OTHER


def bounded_code(code: int) -> str:
    """The JSON-RPC code as text where JSON-RPC or MCP defines it."""
    return str(code) if code in names.CODES else names.OTHER
