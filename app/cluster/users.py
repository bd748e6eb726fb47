"""Who scales on forecasts: whether each HPA fits the LoadForecast whose metric it names."""

from collections.abc import Iterator
from typing import Any

from app.cluster.connection import ApiFailure
from app.cluster.findings import Finding, Patient, condition
from app.cluster.permissions import LIST_HPAS, LIST_LOADFORECASTS
from app.telemetry import shortened
from app.workloads.spec import LoadForecastSpec, parse_quantity

_NOT_FOUND = 404
_TOLD = 20  # findings of one kind; thousands would hide the others
_HELD_BY_DEFAULT_SECONDS = 300
Object = dict[str, Any]


def autoscalers(patient: Patient) -> Iterator[Finding]:
    """HPAs against LoadForecasts, both ways."""
    try:
        forecasts = {_key(one): one for one in patient.api.call(LIST_LOADFORECASTS).get("items") or []}
    except ApiFailure as failure:
        if failure.status != _NOT_FOUND:
            raise
        return
    named = [
        (_key(hpa, metric["metric"]["name"]), hpa, metric)
        for hpa in patient.api.call(LIST_HPAS).get("items") or []
        for metric in _external(hpa)
    ]
    found = [one for key, hpa, metric in named if key in forecasts for one in _of(key, hpa, metric, forecasts[key])]
    unnamed = sorted(forecasts.keys() - {key for key, _, _ in named})
    remedy = "add the metric to it, as in k8s/examples; where KEDA asks for it, nothing is missing"
    found += [Finding("warning", "HPA", f"no HPA names {key}", remedy) for key in unnamed]
    found = list(dict.fromkeys(found))  # an HPA with two forecasts is told about once
    yield from found[:_TOLD]
    if len(found) > _TOLD:
        yield Finding("warning", "HPA", f"and {len(found) - _TOLD} more of this kind", "mend these first")
    if not found:
        yield Finding("ok", "HPA", f"{len(named)} external metrics of HPAs fit {len(forecasts)} LoadForecasts")


def _external(hpa: Object) -> list[Object]:
    return [one["external"] for one in hpa["spec"].get("metrics") or [] if one.get("type") == "External"]


def _key(item: Object, name: str = "") -> str:
    return f"{item['metadata'].get('namespace')}/{name or item['metadata'].get('name')}"


def _of(key: str, hpa: Object, metric: Object, forecast: Object) -> Iterator[Finding]:
    """What of one pair does not fit. A LoadForecast that cannot be read is told about elsewhere."""
    told = f"HPA {_key(hpa)}"
    try:
        spec = LoadForecastSpec.model_validate(forecast["spec"])
    except ValueError:
        return
    average = metric["target"].get("averageValue")
    if average is not None and parse_quantity(str(average)) != spec.capacity_per_pod:
        text = f"{told} wants {average} a pod, LoadForecast {key} plans with {spec.capacity_per_pod:g}"
        yield Finding("warning", "HPA", text, "averageValue and capacityPerPod are the same number: change one")
    held = _rules(hpa, "scaleDown").get("stabilizationWindowSeconds")
    held_seconds = _HELD_BY_DEFAULT_SECONDS if held is None else int(held)
    if held_seconds != spec.scale_down_stabilization_seconds:
        text = f"{told} holds pods for {held_seconds} s, {key} plans with {spec.scale_down_stabilization_seconds} s"
        yield Finding("warning", "HPA", text, "set scaleDownStabilizationSeconds to what the HPA's behavior says")
    yield from _without_tolerance(told, hpa)
    yield from _in_trouble(told, key, hpa)


def _without_tolerance(told: str, hpa: Object) -> Iterator[Finding]:
    """A server that does not know the field, or has its gate off, drops it without a word."""
    if _rules(hpa, "scaleUp").get("tolerance") is None:
        text = f"{told} has no behavior.scaleUp.tolerance: by default it may stay a tenth below what is asked for"
        remedy = (
            'set it to "0": Kubernetes keeps it from 1.35 on, 1.33 and 1.34 only behind the gate '
            "HPAConfigurableTolerance. Where it is not kept, lower capacityPerPod and averageValue by a tenth"
        )
        yield Finding("warning", "HPA", text, remedy)


def _rules(hpa: Object, direction: str) -> Object:
    return (hpa["spec"].get("behavior") or {}).get(direction) or {}


def _in_trouble(told: str, key: str, hpa: Object) -> Iterator[Finding]:
    active = condition(hpa, "ScalingActive")
    if active.get("status") == "False":
        text = f"{told} does not scale: {active.get('reason')}: {shortened(str(active.get('message')))}"
        yield Finding("warning", "HPA", text, f"kubectl describe loadforecast -n {key.replace('/', ' ')}")
    limited = condition(hpa, "ScalingLimited")
    if (limited.get("status"), limited.get("reason")) == ("True", "TooManyReplicas"):
        text = f"{told} is at its maxReplicas, {hpa['spec']['maxReplicas']}, and would have more"
        yield Finding("warning", "HPA", text, "raise maxReplicas, or accept the shortage: the forecast cannot help")
