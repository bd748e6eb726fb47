"""What `forescale doctor` finds, and what it is told about the installation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from app.cluster.connection import KubernetesApi
from app.sources.prometheus import PrometheusSource


@dataclass(frozen=True)
class Finding:
    """text: what was found. remedy: how to mend it, empty where nothing is wrong."""

    level: Literal["ok", "warning", "error"]
    subject: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Patient:
    """The installation. account: of the service. store: None: not reachable from here. now: Unix seconds."""

    api: KubernetesApi
    namespace: str
    account: str
    store: PrometheusSource | None
    store_url: str
    now: Callable[[], float]


def condition(item: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type of an object, empty where it has none."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})
