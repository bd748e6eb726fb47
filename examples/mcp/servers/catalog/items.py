"""The catalogue: hexagon socket screws by ISO 4762, every size in every length and material that is stocked."""

from dataclasses import dataclass
from functools import cache

_SIZES_MM = (3, 4, 5, 6, 8, 10, 12)
_LENGTHS_MM = (10, 12, 16, 20, 25, 30, 40, 50)
_MATERIALS = {"A2": "stainless steel", "8.8": "zinc-plated steel", "12.9": "black alloy steel"}
_STEEL_G_PER_MM3 = 0.00785


@dataclass(frozen=True)
class Item:
    """One article."""

    sku: str
    name: str
    size_mm: int
    length_mm: int
    material: str
    mass_g: float


@cache
def items() -> tuple[Item, ...]:
    """All articles, by size, length, material."""
    return tuple(
        Item(
            sku=f"M{size}x{length}-{grade}",
            name=f"hexagon socket screw M{size}x{length} {material}",
            size_mm=size,
            length_mm=length,
            material=material,
            mass_g=round((0.785 * size**2 * length + 1.77 * size**3) * _STEEL_G_PER_MM3, 2),  # shank and head
        )
        for size in _SIZES_MM
        for length in _LENGTHS_MM
        for grade, material in _MATERIALS.items()
    )


def search(words: str, *, limit: int) -> list[Item]:
    """Articles that hold at least one of the words, those with the most of them first."""
    wanted = words.lower().split()
    scored = [(sum(word in f"{one.sku} {one.name}".lower() for word in wanted), one) for one in items()]
    ranked = sorted((pair for pair in scored if pair[0]), key=lambda pair: -pair[0])
    return [one for _, one in ranked[:limit]]


def lookup(sku: str) -> Item | None:
    """The article of that number."""
    return next((one for one in items() if one.sku.lower() == sku.lower()), None)
