"""Results of pure computations, kept while they are likely to be asked for again. Same arguments, same bytes."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Key = tuple[object, ...]
T = TypeVar("T")


class Memory:
    """Keeps the newest `entries` results. Not for threads: each worker has its own."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._kept: OrderedDict[Key, object] = OrderedDict()

    def recall(self, key: Key, make: Callable[[], T]) -> T:
        """The result kept under `key`, or a new one."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return cast("T", self._kept[key])
        made = make()
        self._kept[key] = made
        while len(self._kept) > self._entries:
            self._kept.popitem(last=False)
        return made


def digest(values: NDArray[np.float32]) -> bytes:
    """Fingerprint of an array's shape and bytes."""
    return hashlib.blake2b(
        np.ascontiguousarray(values).tobytes() + repr(values.shape).encode(), digest_size=16
    ).digest()
