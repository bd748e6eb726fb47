"""What is made of the code, as files below k8s/monitoring: `python -m tools.monitoring` writes, `--check` compares."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tools.monitoring.dashboard import Dashboard
from tools.monitoring.dashboards import agents, capacity, cost, fleet, forecast, forecaster, mesh, system, tracing
from tools.monitoring.rules import certificates, cluster, demand, slo
from tools.monitoring.rules import cost as cost_rules
from tools.monitoring.rules import forecaster as forecaster_rules
from tools.monitoring.rules import mesh as mesh_rules
from tools.monitoring.rules import tracing as tracing_rules
from tools.monitoring.rules.model import RuleFile

ROOT = Path(__file__).parents[2]
FOLDER = "k8s/monitoring"
HEADER = "# Made by `make monitoring` from tools/monitoring. Change that, not this.\n"
_KUSTOMIZATION = {
    "apiVersion": "kustomize.config.k8s.io/v1beta1",
    "kind": "Kustomization",
    "namespace": "monitoring",
}
_MADE = ("dashboards/*.json", "rules/*.yaml", "operator/prometheusrule-*.yaml")


def dashboards() -> tuple[Dashboard, ...]:
    """All of them."""
    return (
        system.system(),
        agents.agents(),
        capacity.capacity(),
        cost.cost(),
        fleet.fleet(),
        forecast.forecast(),
        forecaster.forecaster(),
        mesh.mesh(),
        tracing.tracing(),
    )


def rule_files() -> tuple[RuleFile, ...]:
    """All of them."""
    return (
        demand.demand(),
        slo.slo(),
        forecaster_rules.forecaster(),
        cluster.cluster(),
        cost_rules.cost(),
        tracing_rules.tracing(),
        mesh_rules.mesh(),
        certificates.certificates(),
    )


def outputs() -> dict[str, str]:
    """Path in the clone -> text."""
    made = {f"dashboards/{one.file}": json.dumps(one.json(), indent=1) + "\n" for one in dashboards()}
    for one in rule_files():
        made[f"rules/{one.name}.yaml"] = HEADER + one.comment + _dumped(one.plain())
        made[f"operator/prometheusrule-{one.name}.yaml"] = HEADER + _dumped(one.manifest())
    made["dashboards/kustomization.yaml"] = HEADER + _dumped(_config_maps(list(dashboards())))
    made["rules/kustomization.yaml"] = HEADER + _dumped(_rules_map([f"{one.name}.yaml" for one in rule_files()]))
    made["runbooks/README.md"] = _runbooks(rule_files())
    return {f"{FOLDER}/{path}": text for path, text in made.items()}


def _runbooks(files: Sequence[RuleFile]) -> str:
    """The list of alerts; the pages themselves are written by hand."""
    lines = [
        f"| [{alert.name}]({alert.name}.md) | {file.name} | {alert.severity} | {alert.for_} |\n"
        for file in files
        for alert in file.alerts
    ]
    head = "| alert | rules | severity | told after |\n|---|---|---|---|\n"
    why = "Made by `make monitoring`; the pages are written by hand, one an alert."
    return f"# Runbooks\n\n{why}\n\n{head}{''.join(lines)}"


def _config_maps(made: Sequence[Dashboard]) -> dict[str, Any]:
    """One a dashboard, since client-side apply takes 256 KiB at most; Grafana's sidecar finds them by their label."""
    options = {
        "disableNameSuffixHash": True,
        "labels": {"app.kubernetes.io/part-of": "forescale", "grafana_dashboard": "1"},
        "annotations": {"grafana_folder": "Forescale"},
    }
    maps = [{"name": f"forescale-dashboard-{one.file.removesuffix('.json')}", "files": [one.file]} for one in made]
    return {**_KUSTOMIZATION, "generatorOptions": options, "configMapGenerator": maps}


def _rules_map(files: Sequence[str]) -> dict[str, Any]:
    """One ConfigMap to mount, for a Prometheus without its operator."""
    options = {"disableNameSuffixHash": True, "labels": {"app.kubernetes.io/part-of": "forescale"}}
    maps = [{"name": "forescale-rules", "files": sorted(files)}]
    return {**_KUSTOMIZATION, "generatorOptions": options, "configMapGenerator": maps}


def differences(made: dict[str, str], root: Path) -> list[str]:
    """What differs below `root`: files that are other or missing, and files that nobody makes any more."""
    wrong = [path for path, text in made.items() if not (root / path).exists() or (root / path).read_text() != text]
    there = {str(file.relative_to(root)) for pattern in _MADE for file in (root / FOLDER).glob(pattern)}
    return sorted([*wrong, *(there - made.keys())])


def write(made: dict[str, str], root: Path) -> Iterable[str]:
    """Writes what differs and removes what nobody makes any more; gives the paths."""
    changed = differences(made, root)
    for path in changed:
        if path in made:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(made[path])
        else:
            (root / path).unlink()
    return changed


class _Block(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Block.add_representer(str, _text)


def _dumped(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Block, sort_keys=False, width=10_000)
