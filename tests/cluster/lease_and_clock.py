"""What decides who writes, and when: in the hands of the test."""


class Seat:
    """A lease that the test gives and takes."""

    def __init__(self) -> None:
        self.taken = True

    def held(self) -> bool:
        return self.taken

    def start(self) -> None: ...

    def close(self) -> None: ...


class Clock:
    """A monotonic clock that the test turns."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
