"""Which pods of a workload go first when it is scaled in, as REST shows it."""

from app.serving.rest.schemas import Drain, DrainPod
from app.snapshot import Snapshot


def drain_answer(snapshot: Snapshot, row: int) -> Drain:
    """Pods in the order in which their costs let them go; none where spec.drain is not set."""
    forecast = snapshot.forecasts[row]
    found = snapshot.drains.get(forecast.key)
    pods = [
        DrainPod(
            name=one.pod.name,
            sessions=one.sessions,
            cost=one.cost,
            written=one.pod.written,
            foreign=one.pod.foreign,
            due=one.due,
        )
        for one in (found.pods if found is not None else ())
    ]
    note = "spec.drain is not set" if found is None else found.note
    return Drain(namespace=forecast.namespace, name=forecast.name, text=_text(pods), note=note, pods=pods)


def _text(pods: list[DrainPod]) -> str:
    if not pods:
        return "No pods are known here."
    first = pods[0]
    counted = "an unknown number of sessions" if first.sessions is None else f"{first.sessions:g} sessions"
    text = f"Of pods that are ready {first.name} goes first, with {counted}."
    foreign = sum(one.foreign for one in pods)
    due = sum(one.due for one in pods)
    if due:
        text += f" {due} of {len(pods)} costs are still to be written."
    if foreign:
        text += f" {foreign} were written by somebody else and stay."
    return text
