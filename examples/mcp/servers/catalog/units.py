"""Conversion between units of one kind."""

_IN_BASE = {
    "length": {"mm": 0.001, "cm": 0.01, "m": 1.0, "in": 0.0254, "ft": 0.3048},
    "mass": {"g": 0.001, "kg": 1.0, "oz": 0.028349523125, "lb": 0.45359237},
}


def convert(value: float, *, given: str, wanted: str) -> float:
    """The value in another unit of the same kind. Raises ValueError, naming the units that are known."""
    for units in _IN_BASE.values():
        if given in units and wanted in units:
            return value * units[given] / units[wanted]
    known = "; ".join(f"{kind}: {', '.join(units)}" for kind, units in _IN_BASE.items())
    raise ValueError(f"no conversion from {given} to {wanted}; {known}")
