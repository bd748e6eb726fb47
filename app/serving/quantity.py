"""Numbers as Kubernetes quantities: the only place where a served float becomes text."""

import math
from decimal import ROUND_CEILING, Decimal

LARGEST = 9.2e15  # MilliValue() of a quantity must fit into 64 bits


class NotServable(ValueError):
    """Not a number that a replica count may be computed from."""


def quantity(value: float) -> str:
    """`value` rounded up to thousandths: "3", "1500m". Raises NotServable for NaN, infinite, negative or absurd ones.

    Decimal from the shortest repr, so that 1.1 is "1100m": binary noise must not add a thousandth.
    """
    plain = float(value)
    if not math.isfinite(plain) or plain < 0 or plain > LARGEST:
        raise NotServable(f"{plain!r} is not a load")
    thousandths = int((Decimal(repr(plain)) * 1000).to_integral_value(rounding=ROUND_CEILING))
    whole, rest = divmod(thousandths, 1000)
    return f"{thousandths}m" if rest else str(whole)
