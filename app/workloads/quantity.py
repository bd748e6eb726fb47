"""Floats as Kubernetes quantities, for status and doors alike."""

import math
from decimal import ROUND_CEILING, Decimal

LARGEST = 9.2e15  # MilliValue() of a quantity must fit into 64 bits


class NotServable(ValueError):
    """Not a number that a replica count may be computed from."""


def quantity(value: float) -> str:
    """`value` in thousandths, rounded up: "3", "1500m". Raises NotServable for NaN, infinite, negative, absurd ones.

    Through the shortest decimal of the float, so that 1.1 is "1100m" and binary noise adds no thousandth.
    """
    number = float(value)
    if not (math.isfinite(number) and 0 <= number <= LARGEST):
        raise NotServable(f"{number!r} is not a load")
    thousandths = int((Decimal(repr(number)) * 1000).to_integral_value(rounding=ROUND_CEILING))
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
