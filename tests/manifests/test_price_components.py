"""The components prices and expander: what they mount, open and set is what the service reads and listens on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from app.pricing.file import read_price_file
from app.settings import Settings

Composed = Callable[..., tuple[dict[str, Any], ...]]


@pytest.fixture
def objects(composed: Composed) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"]["name"]): one for one in composed("prices", "expander")}


def test_every_object_is_valid_by_kubernetes_own_schema(composed: Composed) -> None:
    for manifest in composed("prices", "expander"):
        kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_the_shipped_price_file_can_be_used_and_is_where_the_setting_says(
    objects: dict[tuple[str, str], dict[str, Any]], tmp_path: Path
) -> None:
    data = objects["ConfigMap", "forescale-prices"]["data"]
    path = Path(objects["ConfigMap", "forescale"]["data"]["FORESCALE_PRICES_FILE"])
    (tmp_path / path.name).write_text(data[path.name])
    assert {one.name for one in read_price_file(tmp_path / path.name).pools} >= {"stateless-spot", "stateful-on-demand"}
    spec = objects["Deployment", "forescale"]["spec"]["template"]["spec"]
    (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["mountPath"] == str(path.parent)]
    (volume,) = [one for one in spec["volumes"] if one["name"] == mount["name"]]
    assert volume["configMap"]["name"] == "forescale-prices"


def test_the_expanders_port_is_open_from_the_setting_to_the_service(
    objects: dict[tuple[str, str], dict[str, Any]],
) -> None:
    data = objects["ConfigMap", "forescale"]["data"]
    port = int(data["FORESCALE_EXPANDER_PORT"])
    container = objects["Deployment", "forescale"]["spec"]["template"]["spec"]["containers"][0]
    (named,) = [one for one in container["ports"] if one["name"] == "grpc-expander"]
    (served,) = [one for one in objects["Service", "forescale"]["spec"]["ports"] if one["name"] == "grpc-expander"]
    ingress = objects["NetworkPolicy", "forescale-expander"]["spec"]["ingress"][0]
    assert (named["containerPort"], served["targetPort"], served["port"]) == (port, "grpc-expander", port)
    assert ingress["ports"] == [{"port": port, "protocol": "TCP"}]
    assert len(objects["Service", "forescale"]["spec"]["ports"]) == 2, "the HPA's port stays"


def test_the_settings_that_both_components_make_can_be_used(
    objects: dict[tuple[str, str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in objects["ConfigMap", "forescale"]["data"].items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.priority_expander_namespace == objects["Role", "forescale-expander"]["metadata"]["namespace"]
