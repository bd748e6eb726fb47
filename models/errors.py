"""What can go wrong in the library.

ModelError
├── InvalidSeries      the arrays contradict each other (shapes, steps, order)
└── HistoryTooShort    not enough numbers for what was asked
"""


class ModelError(Exception):
    """Base of everything this library raises on purpose."""


class InvalidSeries(ModelError):
    """Arrays whose shapes, steps or order contradict each other."""


class HistoryTooShort(ModelError):
    """Fewer numbers than the computation needs; the message says how many are missing."""
