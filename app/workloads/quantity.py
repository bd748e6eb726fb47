"""Floats as Kubernetes quantities, for status and doors alike."""

import math
from decimal import ROUND_CEILING, Decimal

LARGEST = 9.2e15  # MilliValue() of a quantity must fit into 64 bits
DIGITS = 12  # what differs further on is an error of floating point, as app/planning/rounding.py forgives it


class NotServable(ValueError):
    """Not a number that a replica count may be computed from."""


def quantity(value: float) -> str:
    """`value` in thousandths, rounded up: "3", "1500m". Raises NotServable for NaN, infinite, negative, absurd ones.

    Of so many digits as a sum of floats can be sure of: 3 x 0.1 is "300m", for which an HPA adds no fourth pod.
    """
    number = float(value)
    if not (math.isfinite(number) and 0 <= number <= LARGEST):
        raise NotServable(f"{number!r} is not a load")
    thousandths = int((Decimal(f"{number:.{DIGITS}g}") * 1000).to_integral_value(rounding=ROUND_CEILING))
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
