"""How a forecast is addressed: which paths this door owns, and which labels a selector sees."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.serving.paths import METRICS_GROUP, METRICS_VERSION
from app.workloads.spec import LoadForecast

GROUP = METRICS_GROUP
VERSION = METRICS_VERSION
GROUP_VERSION = f"{GROUP}/{VERSION}"
METRICS_PREFIX = f"/apis/{GROUP_VERSION}/namespaces/"
TARGET_LABEL = "forescale.dev/target"
LOADFORECAST_LABEL = "forescale.dev/loadforecast"


@dataclass(frozen=True)
class Address:
    """One metric of one namespace; the metric is named as its LoadForecast."""

    namespace: str
    metric: str


def owned(path: str) -> bool:
    """Whether this door answers `path`, even if only with a 404."""
    return path in ("/apis", "/version") or path.startswith(("/apis/", "/openapi/"))


def address(path: str) -> Address | None:
    """The metric that a decoded path names; None for any other path (a metric is exactly one segment)."""
    if not path.startswith(METRICS_PREFIX):
        return None
    namespace, _, metric = path[len(METRICS_PREFIX) :].partition("/")
    if not namespace or not metric or "/" in metric:
        return None
    return Address(namespace, metric)


def metric_labels(forecast: LoadForecast) -> Mapping[str, str]:
    """What selectors match and the answer shows: the LoadForecast's own labels and two that always exist.

    Sorted, so that replicas answer with the same bytes.
    """
    own = {TARGET_LABEL: forecast.spec.target_ref.name, LOADFORECAST_LABEL: forecast.name}
    return dict(sorted((forecast.labels | own).items()))
