"""A proposal as Kubernetes objects: the HPA, and what the LoadForecast should say."""

from collections.abc import Sequence
from typing import Any

from app.planning.behaviour import to_hpa
from app.tuning.proposal import Proposal
from app.tuning.types import POLICIES

_LONGEST_LEAD_SECONDS = 3600  # as the custom resource allows


def objects(proposal: Proposal, *, namespace: str, name: str, container: str) -> Sequence[dict[str, Any]]:
    """The HPA, whole; and the fields of an existing LoadForecast, for a server-side apply beside its owner's."""
    return (_hpa(proposal, namespace, name, container), _forecast(proposal, namespace, name))


def _hpa(proposal: Proposal, namespace: str, name: str, container: str) -> dict[str, Any]:
    behaviour = proposal.found.chosen.behaviour
    target = {"type": "AverageValue", "averageValue": _target(proposal)}
    metrics: list[dict[str, Any]] = [{"type": "External", "external": {"metric": {"name": name}, "target": target}}]
    cpu = POLICIES[proposal.kind].cpu_target
    if cpu is not None:
        goal = {"type": "Utilization", "averageUtilization": round(100 * cpu)}
        resource = {"name": "cpu", "container": container, "target": goal}
        metrics.append({"type": "ContainerResource", "containerResource": resource})
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": int(proposal.value("minReplicas")),
            "maxReplicas": max(int(proposal.value("maxReplicas")), int(proposal.value("minReplicas")), 1),
            "metrics": metrics,
            "behavior": {"scaleUp": to_hpa(behaviour.up), "scaleDown": to_hpa(behaviour.down)},
        },
    }


def _target(proposal: Proposal) -> str:
    """What one pod carries, less the head room that an HPA without a forecast turned out to need."""
    return f"{proposal.value('capacityPerPod') * proposal.found.chosen.share:.4g}"


def _forecast(proposal: Proposal, namespace: str, name: str) -> dict[str, Any]:
    target, least = _target(proposal), proposal.value("minReplicas")
    seconds = min(max(int(proposal.value("leadSeconds")), 15), _LONGEST_LEAD_SECONDS)
    return {
        "apiVersion": "forescale.dev/v1alpha1",
        "kind": "LoadForecast",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "capacityPerPod": target,
            "lead": {"floorSeconds": 15, "fallbackSeconds": seconds},
            "objective": {"missingPodPrice": f"{proposal.value('missingPodPrice'):.4g}"},
            "scaleDownStabilizationSeconds": proposal.found.chosen.behaviour.down.window_seconds,
            "bounds": {"minimum": f"{float(target) * least:.6g}"},
        },
    }
