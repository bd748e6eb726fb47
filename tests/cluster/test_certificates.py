"""Making, renewing and trusting the serving certificate."""

import base64
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography import x509
from cryptography.x509 import verification
from typer.testing import CliRunner

from app.cli.certificates import certificates as command
from app.cluster.certificates import Certificates, ForeignApiService, Keeping, renewed
from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.issuing import CA_LIFE, SERVING_LIFE, Issued, new_authority, new_serving
from app.cluster.permissions import CA_SECRET, EXTERNAL_METRICS_API, SERVING_SECRET
from app.errors import ClusterError
from app.settings import Settings

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
NAMES = ["forescale.forescale.svc", "forescale.forescale.svc.cluster.local"]
DAY = timedelta(days=1)


def apiservice(namespace: str = "forescale", name: str = "forescale") -> dict[str, Any]:
    return {
        "metadata": {"name": EXTERNAL_METRICS_API},
        "spec": {"service": {"namespace": namespace, "name": name, "port": 443}},
    }


def bundle(fake: Any) -> bytes:
    return base64.b64decode(fake.objects["apiservices", "", EXTERNAL_METRICS_API]["spec"]["caBundle"])


def secret(fake: Any, name: str) -> dict[str, bytes]:
    data = fake.objects["secrets", "forescale", name]["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}


def trusted(leaf: bytes, authorities: bytes, *, at: datetime) -> bool:
    """As a TLS client would verify it, by an implementation that is not ours."""
    store = verification.Store(x509.load_pem_x509_certificates(authorities))
    verifier = verification.PolicyBuilder().store(store).time(at).build_server_verifier(x509.DNSName(NAMES[0]))
    try:
        verifier.verify(x509.load_pem_x509_certificate(leaf), [])
    except verification.VerificationError:
        return False
    return True


@pytest.fixture
def keeping(api: KubernetesApi) -> Keeping:
    return Keeping(api, namespace="forescale")


@pytest.fixture
def run(keeping: Keeping) -> Callable[[datetime], list[str]]:
    return lambda at: keeping.run(now=at.timestamp())


def test_the_first_run_makes_everything_and_the_api_server_can_verify_it(fake: Any, run: Any) -> None:
    fake.put("apiservices", apiservice())
    assert len(run(START)) == 3
    serving = secret(fake, SERVING_SECRET)
    assert trusted(serving["tls.crt"], bundle(fake), at=START)
    assert serving["ca.crt"] == bundle(fake)
    assert set(secret(fake, CA_SECRET)) == {"ca.crt", "ca.key"}
    assert not trusted(serving["tls.crt"], new_authority(now=START).certificate, at=START)


def test_certificate_and_key_load_into_a_tls_server(fake: Any, run: Any, tmp_path: Path) -> None:
    fake.put("apiservices", apiservice())
    run(START)
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_bytes(secret(fake, SERVING_SECRET)[name])
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")


def test_the_cas_private_key_is_not_where_the_serving_pods_mount(fake: Any, run: Any) -> None:
    fake.put("apiservices", apiservice())
    run(START)
    authority = secret(fake, CA_SECRET)["ca.key"]
    assert authority not in secret(fake, SERVING_SECRET).values()


def test_a_second_run_changes_nothing(fake: Any, run: Any) -> None:
    fake.put("apiservices", apiservice())
    run(START)
    version = fake.version
    assert run(START + DAY) == []
    assert fake.version == version


def test_the_serving_certificate_is_renewed_before_a_third_of_its_life_is_left(fake: Any, run: Any) -> None:
    fake.put("apiservices", apiservice())
    run(START)
    before = secret(fake, SERVING_SECRET)["tls.crt"]
    assert run(START + SERVING_LIFE * 0.66) == []
    assert run(START + SERVING_LIFE * 0.67) == ["a serving certificate for forescale.forescale.svc was issued"]
    after = secret(fake, SERVING_SECRET)["tls.crt"]
    assert after != before
    assert trusted(after, bundle(fake), at=START + SERVING_LIFE * 0.67)


def test_a_renewed_ca_is_trusted_beside_the_old_one_until_every_replica_has_moved(fake: Any, run: Any) -> None:
    fake.put("apiservices", apiservice())
    run(START)
    run(START + CA_LIFE * 0.66)
    old_leaf = secret(fake, SERVING_SECRET)["tls.crt"]
    late = START + CA_LIFE * 0.67
    assert "a new CA was made" in run(late)
    new_leaf = secret(fake, SERVING_SECRET)["tls.crt"]
    assert new_leaf != old_leaf
    for leaf in (old_leaf, new_leaf):
        assert trusted(leaf, bundle(fake), at=late)
    assert run(late + timedelta(minutes=30)) == []
    assert "the old CA was dropped" in run(late + DAY)
    assert not trusted(old_leaf, bundle(fake), at=late + DAY)
    assert trusted(new_leaf, bundle(fake), at=late + DAY)


def test_trust_is_written_before_anything_that_needs_it(fake: Any, run: Any) -> None:
    fake.put("apiservices", apiservice())
    run(START)
    fake.requests.clear()
    run(START + CA_LIFE * 0.67)
    writes = [path.rsplit("/", 1)[1] for method, path, *_ in fake.requests if method in ("PUT", "PATCH", "POST")]
    assert writes == [CA_SECRET, EXTERNAL_METRICS_API, SERVING_SECRET]


def test_a_run_that_broke_off_is_completed_by_the_next(fake: Any, run: Any) -> None:
    fake.put("apiservices", apiservice())
    fake.fail_next("PATCH", EXTERNAL_METRICS_API, 503)
    with pytest.raises(ApiFailure):
        run(START)
    assert ("secrets", "forescale", SERVING_SECRET) not in fake.objects
    run(START)
    assert trusted(secret(fake, SERVING_SECRET)["tls.crt"], bundle(fake), at=START)


@pytest.mark.parametrize("part", ["tls.crt", "tls.key"])
def test_a_damaged_serving_secret_is_replaced(fake: Any, run: Any, part: str) -> None:
    fake.put("apiservices", apiservice())
    run(START)
    fake.objects["secrets", "forescale", SERVING_SECRET]["data"][part] = base64.b64encode(b"junk").decode()
    assert len(run(START)) == 1
    assert trusted(secret(fake, SERVING_SECRET)["tls.crt"], bundle(fake), at=START)


def test_a_certificate_for_another_name_or_with_anothers_key_is_replaced() -> None:
    authority = new_authority(now=START)
    other = new_serving(authority, dns_names=["other.svc"], now=START)
    right = new_serving(authority, dns_names=NAMES, now=START)
    for serving in (other, Issued(right.certificate, other.key)):
        assert renewed(Certificates(authority, b"", serving), dns_names=NAMES, now=START).serving != serving
    kept = Certificates(authority, b"", right)
    assert renewed(kept, dns_names=NAMES, now=START) == kept


def test_the_ca_of_another_tool_stays_trusted_while_ours_takes_over(fake: Any, run: Any) -> None:
    """cert-manager left its Secret, of a type that must keep tls.crt."""
    fake.put("apiservices", apiservice())
    theirs = new_authority(now=START - DAY)
    encoded = base64.b64encode(theirs.certificate).decode()
    fake.put(
        "secrets",
        {
            "metadata": {"name": CA_SECRET, "namespace": "forescale"},
            "type": "kubernetes.io/tls",
            "data": {"ca.crt": encoded, "tls.crt": encoded, "tls.key": encoded},
        },
    )
    run(START)
    assert theirs.certificate in bundle(fake)
    assert "tls.crt" in secret(fake, CA_SECRET)


def test_an_apiservice_of_somebody_else_is_refused_by_name_and_nothing_is_written(fake: Any, run: Any) -> None:
    fake.put("apiservices", apiservice("keda", "keda-operator-metrics-apiserver"))
    version = fake.version
    with pytest.raises(ForeignApiService, match=r"keda/keda-operator-metrics-apiserver.*kubectl delete apiservice"):
        run(START)
    assert fake.version == version


def test_an_apiservice_that_another_takes_in_between_is_not_patched(fake: Any, keeping: Keeping) -> None:
    fake.put("apiservices", apiservice())
    fake.fail_next("PATCH", EXTERNAL_METRICS_API, 409)
    with pytest.raises(ApiFailure) as caught:
        keeping.run(now=START.timestamp())
    assert caught.value.status == 409
    assert "resourceVersion" in fake.made("PATCH", EXTERNAL_METRICS_API)[0]["metadata"]


def test_without_an_apiservice_the_text_says_to_apply_the_manifests(run: Any) -> None:
    with pytest.raises(ClusterError, match="apply k8s/ first"):
        run(START)


def test_the_command_checks_without_writing_and_explains_its_refusal(fake: Any, settings: Settings) -> None:
    app = typer.Typer()
    app.command()(command)
    arguments = ["--kubeconfig", str(settings.kubeconfig)]
    free = CliRunner().invoke(app, [*arguments, "--check"])
    assert (free.exit_code, "nobody serves" in free.output) == (0, True)
    fake.put("apiservices", apiservice())
    assert "ours" in CliRunner().invoke(app, [*arguments, "--check"]).output
    assert CliRunner().invoke(app, arguments).output.count("\n") == 3
    assert "nothing to renew" in CliRunner().invoke(app, arguments).output
    fake.put("apiservices", apiservice("monitoring", "prometheus-adapter"))
    refused = CliRunner().invoke(app, [*arguments, "--check"])
    assert refused.exit_code == 1
    assert "belongs to monitoring/prometheus-adapter" in refused.output


def test_where_the_api_is_left_to_its_owner_certificates_are_made_and_nothing_else_is_touched(
    fake: Any, api: KubernetesApi
) -> None:
    fake.put("apiservices", apiservice("keda", "keda-operator-metrics-apiserver"))
    version = fake.objects["apiservices", "", EXTERNAL_METRICS_API]["metadata"]["resourceVersion"]
    done = Keeping(api, namespace="forescale", aggregated=False).run(now=START.timestamp())
    assert len(done) == 2
    assert secret(fake, SERVING_SECRET)["tls.crt"]
    assert fake.objects["apiservices", "", EXTERNAL_METRICS_API]["metadata"]["resourceVersion"] == version
