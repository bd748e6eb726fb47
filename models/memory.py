"""Results of pure computations, kept while they are likely to be asked for again. Same arguments, same bytes."""

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Key = tuple[object, ...]
T = TypeVar("T")


class Memory:
    """Keeps results of `limit_bytes` together, those asked for last. Not for threads: each worker has its own."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._kept: OrderedDict[Key, tuple[object, int]] = OrderedDict()

    def recall(self, key: Key, make: Callable[[], T]) -> T:
        """The result kept under `key`, or a new one."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return cast("T", self._kept[key][0])
        made = make()
        if self._limit > 0:
            size = _size(made)
            self._kept[key] = made, size
            self._used += size
        while self._used > self._limit:
            self._used -= self._kept.popitem(last=False)[1][1]
        return made


def _size(made: object) -> int:
    return made.nbytes if isinstance(made, np.ndarray) else len(pickle.dumps(made, protocol=5))


def digest(values: NDArray[np.float32]) -> bytes:
    """Fingerprint of an array's shape and bytes."""
    return hashlib.blake2b(
        np.ascontiguousarray(values).tobytes() + repr(values.shape).encode(), digest_size=16
    ).digest()
