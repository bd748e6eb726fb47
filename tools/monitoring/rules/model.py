"""Recording rules and alerts, and the two forms in which they are shipped: a rule file, and a PrometheusRule."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

RUNBOOKS = "https://github.com/forescale/forescale/blob/main/k8s/monitoring/runbooks"
_MANIFEST = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule"}


@dataclass(frozen=True)
class Record:
    """`name` is level:metric:operation; `expr` may stand on several lines."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        found = {"record": self.name, "expr": _plain(self.expr)}
        return found | ({"labels": dict(self.labels)} if self.labels else {})


@dataclass(frozen=True)
class Alert:
    """summary: what is wrong, with {{ $labels.x }}. for_: how long until it is told. runbooks/NAME.md: the rest."""

    name: str
    expr: str
    for_: str
    severity: Literal["critical", "warning"]
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": _plain(self.expr),
            "for": self.for_,
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {"summary": self.summary, "runbook_url": f"{RUNBOOKS}/{self.name}.md"},
        }


@dataclass(frozen=True)
class Group:
    """Evaluated together, in order. why: stands above it in the file."""

    name: str
    why: str
    rules: Sequence[Record | Alert]
    interval: str = "30s"

    def json(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {"name": self.name, "interval": self.interval, "rules": [one.rule() for one in self.rules]}


@dataclass(frozen=True)
class RuleFile:
    """One concern: rules/NAME.yaml for a plain Prometheus, operator/prometheusrule-NAME.yaml for its operator."""

    name: str
    groups: Sequence[Group]

    @property
    def comment(self) -> str:
        """What its groups are for, as lines of YAML."""
        lines = [line for one in self.groups for line in textwrap.wrap(f"{one.name}: {one.why}", 110)]
        return "".join(f"# {line}\n" for line in lines)

    def plain(self) -> dict[str, Any]:
        """The content of a rule file."""
        return {"groups": [one.json() for one in self.groups]}

    def manifest(self) -> dict[str, Any]:
        """The same for the Prometheus operator."""
        labels = {"app.kubernetes.io/part-of": "forescale"}
        metadata = {"name": f"forescale-{self.name}", "namespace": "monitoring", "labels": labels}
        return {**_MANIFEST, "metadata": metadata, "spec": self.plain()}

    @property
    def alerts(self) -> list[Alert]:
        """All of them."""
        return [rule for group in self.groups for rule in group.rules if isinstance(rule, Alert)]

    @property
    def records(self) -> list[Record]:
        """All of them."""
        return [rule for group in self.groups for rule in group.rules if isinstance(rule, Record)]


def _plain(expr: str) -> str:
    return textwrap.dedent(expr).strip()
