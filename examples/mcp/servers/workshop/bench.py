"""What a session has on its bench. Lost when the session's replica ends, as legacy sessions are."""

from collections import OrderedDict


class Benches:
    """Parts by session; the session that was idle longest goes first when there are too many."""

    def __init__(self, *, most: int = 10_000) -> None:
        self._most = most
        self._parts: OrderedDict[str, list[str]] = OrderedDict()

    def put(self, session: str, part: str) -> list[str]:
        """Adds a part; returns all of the session's."""
        parts = self._parts.setdefault(session, [])
        parts.append(part)
        self._parts.move_to_end(session)
        while len(self._parts) > self._most:
            self._parts.popitem(last=False)
        return list(parts)

    def parts(self, session: str) -> list[str]:
        """What lies there."""
        return list(self._parts.get(session, ()))
