"""The price file: pools, fixed prices, and a table of instance prices, in YAML; usually a mounted ConfigMap.

What cannot be used names its field and what to change.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import re2
import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from app.errors import ConfigurationError
from app.pricing.prices import Pool
from app.workloads.fields import Part, PositiveQuantity


def _expression(text: str) -> str:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error as error:
        raise ValueError(f"{text!r} is not a regular expression of Go or RE2: {error}") from None
    return text


class PoolEntry(Part):
    """One pool. node_hourly: fixed; OpenCost and labels are then not asked for this pool."""

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=63)
    node_groups: Annotated[str, AfterValidator(_expression)] | None = Field(None, min_length=1, max_length=512)
    node_labels: dict[str, str] = Field(default_factory=dict)
    spot: bool = False
    pods_per_node: int | None = Field(None, ge=1, le=1000)
    node_hourly: PositiveQuantity | None = None

    def pool(self) -> Pool:
        """Without node_groups the pool's name, wherever it stands in the id of a node group."""
        groups = self.node_groups or self.name.replace(".", r"\.")
        return Pool(self.name, groups, self.node_labels, self.spot, self.pods_per_node)


class InstanceEntry(Part):
    """A row of the table that prices nodes by their labels. region: empty for all that have no row of their own."""

    instance_type: str = Field(min_length=1, max_length=253)
    capacity_type: str = Field("on-demand", min_length=1, max_length=63)
    region: str = Field("", max_length=63)
    hourly: PositiveQuantity


class PriceFile(Part):
    """All of it. open_cost: the store is asked for OpenCost's node_total_hourly_cost."""

    currency: str = Field(pattern="^[A-Z]{3}$")
    stale_after_minutes: int = Field(1440, ge=1, le=525_600)
    open_cost: bool = False
    pools: list[PoolEntry] = Field(min_length=1, max_length=100)
    instances: list[InstanceEntry] = Field(default_factory=list, max_length=2_000)

    @model_validator(mode="after")
    def _whole(self) -> "PriceFile":
        names = [one.name for one in self.pools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"pools: {', '.join(twice)} is there twice; keep one")
        unpriced = [one.name for one in self.pools if one.node_hourly is None and not one.node_labels]
        if unpriced:
            raise ValueError(
                f"pools: {', '.join(unpriced)} has neither nodeHourly nor nodeLabels; nothing could price it"
            )
        by_labels = [one.name for one in self.pools if one.node_hourly is None]
        if by_labels and not self.open_cost and not self.instances:
            raise ValueError(f"{', '.join(by_labels)} has no nodeHourly: set openCost: true, or list instances")
        return self


@dataclass(frozen=True)
class Stamp:
    """Changes with a file's content; a ConfigMap's file changes by becoming another one."""

    modified_ns: int
    size: int
    inode: int


def stamp_of(path: Path) -> Stamp | None:
    """None: it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def read_price_file(path: Path) -> PriceFile:
    """Raises ConfigurationError that names each field and what is wrong with it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); give the path of a YAML file") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        return PriceFile.model_validate(content)
    except ValidationError as error:
        lines = [_explained(one["loc"], one["msg"], one["input"]) for one in error.errors()]
        raise ConfigurationError(f"{path} cannot be used:\n  " + "\n  ".join(lines)) from error


def _explained(location: tuple[int | str, ...], message: str, given: Any) -> str:
    message = message.removeprefix("Value error, ")
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    shown = f", not {given!r}" if isinstance(given, str | int | float) and repr(given) not in message else ""
    return f"{field}: {message}{shown}" if field else message
