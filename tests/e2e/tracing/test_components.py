"""The real servers know every component of the shipped configurations and accept what is said to it."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.e2e.harness import collectors, shipped
from tests.e2e.harness.collectors import Collector
from tests.e2e.harness.jaeger import Jaeger
from tests.e2e.harness.shipped import Config
from tests.e2e.parts.build import binary
from tests.tracing_manifests.test_configurations import CURRENT, SERVERS

NOT_TO_BE_HAD = {"load_balancing", "zipkin"}
"""Not among the modules at the version that is built: checked by structure only."""
_ROTATIONS = tuple(f"indices.{index}.rotation" for index in ("spans", "services", "dependencies", "sampling"))
NEWER_THAN_THE_MODULE = {"opensearch": _ROTATIONS, "elasticsearch": _ROTATIONS, "clickhouse": ("ttl",), "badger": ()}
"""Settings of Jaeger 2.20 that 2.13 does not know."""


def known(command: str) -> dict[str, set[str]]:
    """Section -> types, as the server itself lists them."""
    done = subprocess.run([binary(command), "components"], capture_output=True, text=True, check=True, timeout=60)
    listed = yaml.safe_load(done.stdout)
    sections = ("receivers", "processors", "connectors", "exporters", "extensions")
    return {section: {one["name"] for one in listed[section]} for section in sections}


@pytest.mark.parametrize("server", SERVERS)
def test_every_component_is_known_by_its_name_of_today(server: tuple[str, str, str]) -> None:
    types = known("jaeger" if server[2] == "jaeger" else "otelcol")
    whole = shipped.merged(shipped.configs(*server))
    for section, listed in types.items():
        used = {name.partition("/")[0] for name in whole.get(section) or ()}
        assert used - NOT_TO_BE_HAD <= listed, section
        assert used <= CURRENT[section]


@pytest.mark.parametrize("tree", ["collector/base", "collector/overlays/keep-all", "collector/overlays/small"])
def test_gateways_configurations_are_valid(tree: str, tmp_path: Path) -> None:
    validate(collectors.gateway(tmp_path, jaeger_port=1, tree=tree))


def test_the_agents_configuration_is_valid(tmp_path: Path) -> None:
    validate(collectors.agent(tmp_path, gateway_port=1))


def validate(collector: Collector) -> None:
    verb, *words = collector.command[0], "validate", *collector.command[1:]
    done = subprocess.run(
        [verb, *words], env=os.environ | collector.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("server", [one for one in SERVERS if one[2] == "jaeger"])
def test_jaegers_configurations_are_valid(server: tuple[str, str, str], tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("of nobody")
    files = shipped.configs(*server)
    for config in files.values():
        leave_out_what_is_newer(config)
    for name, config in files.items():
        text = yaml.safe_dump(config).replace("/etc/jaeger-storage/password", str(password))
        (tmp_path / name).write_text(text)
    environment = Jaeger(tmp_path).environment | {"STORAGE_URL": "https://storage:9200", "STORAGE_USERNAME": "jaeger"}
    command = [binary("jaeger"), "validate", *(f"--config={tmp_path / name}" for name in files)]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def leave_out_what_is_newer(config: Config) -> None:
    """Fails where a setting is listed as newer and is not there."""
    backends = config.get("extensions", {}).get("jaeger_storage", {}).get("backends", {})
    for kind, options in backends.get("traces", {}).items():
        for path in NEWER_THAN_THE_MODULE[kind]:
            *steps, last = path.split(".")
            at = options
            for step in steps:
                at = at[step]
            del at[last]
