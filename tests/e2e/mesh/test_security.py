"""The shipped security on injected pods: certificates of the mesh's own CA, istiod's reading of the policies.

Callers are pods: `mcp-agent` is a caller in the roles table, `stranger` is in the mesh and in no rule, `outsider` has
no proxy. The issuer's keys stand inline, since nobody here serves them; everything else is applied as it lies there.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from tests.e2e.harness import sandbox
from tests.e2e.harness.certificates import Authority
from tests.e2e.harness.mesh import MESH, Mesh, namespace
from tests.e2e.harness.pod import PodRunner
from tests.e2e.mesh.messages import LEGACY, MODERN, Caller
from tests.e2e.mesh.tokens import Issuer
from tools.roles.table import Table

T = TypeVar("T")
ERAS = ("modern", "legacy")
READ, WRITE = "mcp:read", "mcp:write"
TABLE = Table.read()
WORKSHOP = next(one for one in TABLE.servers if one.workload == "mcp-workshop")
URL = "http://mcp-workshop.mcp.svc.cluster.local"
MAKE = {"part": "a", "seconds": 0, "steps": 1}
TREES = ("security", "security/roles-by-body", "telemetry", "telemetry/by-body")
(LISTED,), UNLISTED = [one.host for one in TABLE.egress], "other.example.com"
ISSUER = Issuer(TABLE.tokens.issuer, TABLE.tokens.roles_claim)


def shipped(mesh: Mesh) -> list[dict[str, Any]]:
    """Every object of the security and telemetry trees, and the one filter of limits/ that they need."""
    found = [yaml.safe_load((MESH / "limits" / "envoyfilter-mcp-body.yaml").read_text())]
    for tree in TREES:
        found += yaml.safe_load_all(mesh.plane.kubectl("kustomize", str(MESH / tree)))
    for one in found:
        for rule in one["spec"].get("jwtRules", []):
            rule["jwks"] = ISSUER.jwks
            del rule["jwksUri"]
        if one["kind"] == "Telemetry":  # istio.stats is not in a stock Envoy, and a log of root's is not its to open
            one["spec"] = {key: value for key, value in one["spec"].items() if key == "tracing"}
    return found


@pytest.fixture(scope="module", autouse=True)
def secured(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Applied, acknowledged by every proxy, and taken away again; mutual TLS stays, as the whole suite has it."""
    with Path("/etc/hosts").open("a") as hosts:  # of these namespaces alone; a proxy waits for names it cannot resolve
        hosts.write(f"{sandbox.GATEWAY} {LISTED} {UNLISTED}\n")
    objects = shipped(mesh)
    names = sorted({one["metadata"]["namespace"] for one in objects})
    mesh.apply(*(namespace(name) for name in names if name not in ("mcp", "mcp-gateway", "istio-system")))
    file = tmp_path_factory.mktemp("security") / "all.yaml"
    file.write_text(yaml.safe_dump_all(one for one in objects if one["kind"] != "PeerAuthentication"))
    mesh.change(lambda: mesh.apply(*objects))
    yield
    mesh.change(lambda: mesh.plane.kubectl("delete", "-f", str(file), "--wait=false"))


def token(*roles: str, scope: str = f"{READ} {WRITE}", audience: str = WORKSHOP.resource, **other: Any) -> str:
    return ISSUER.token(*roles, audience=audience, scope=scope, **other)


def from_pod(pod: PodRunner, work: Callable[[Caller], T], *, bearer: str | None, url: str = URL) -> T:
    """`work` with a caller whose connections begin in the pod."""

    def inside() -> T:
        with httpx.Client(timeout=20) as client:
            return work(Caller(client, f"{url}{WORKSHOP.path}", bearer))

    return pod.sandbox.inside(inside)


@pytest.fixture
def agent(mesh: Mesh) -> PodRunner:
    return mesh.pod("mcp", "mcp-agent")


@pytest.fixture
def stranger(mesh: Mesh) -> PodRunner:
    return mesh.pod("mcp", "stranger")


@pytest.fixture
def outsider(mesh: Mesh) -> PodRunner:
    return mesh.pod("outside", "outsider")


def test_every_proxy_took_everything(mesh: Mesh) -> None:
    assert mesh.rejects() == {}


@pytest.mark.parametrize("era", ERAS)
def test_a_role_calls_its_tools_and_no_others(agent: PodRunner, era: str) -> None:
    def make(caller: Caller) -> httpx.Response:
        return caller.call(era, "make", MAKE)

    assert from_pod(agent, make, bearer=token("operator")).status_code == 200
    assert from_pod(agent, make, bearer=token("reader")).status_code == 403
    assert from_pod(agent, lambda one: one.call(era, "whoami"), bearer=token("reader")).status_code == 200
    assert from_pod(agent, lambda one: one.call(era, "fail"), bearer=token("operator")).status_code == 403


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "headers",
    [
        {"mcp_method": "tools/list"},
        {"mcp_name": "whoami"},
        {"mcp_method": "tools/call", "mcp_name": "whoami"},
        {"mcp_protocol_version": LEGACY, "mcp_method": "tools/call", "mcp_name": "whoami"},
        {"mcp_protocol_version": MODERN, "mcp_method": "tools/call", "mcp_name": "whoami"},
        {"mcp_name": "=?base64?d2hvYW1p?="},
    ],
    ids=lambda one: ",".join(one),
)
def test_forged_headers_gain_nothing(agent: PodRunner, era: str, headers: dict[str, str]) -> None:
    answer = from_pod(agent, lambda one: one.call(era, "make", MAKE, **headers), bearer=token("reader"))
    assert answer.status_code == 403


@pytest.mark.parametrize("era", ERAS)
def test_a_good_token_is_worth_nothing_in_another_workloads_hands(stranger: PodRunner, era: str) -> None:
    answer = from_pod(stranger, lambda one: one.call(era, "whoami"), bearer=token("operator"))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "bearer",
    [None, token("operator", lives_seconds=-120), token("operator", audience="https://catalog.mcp.example.com/mcp")],
    ids=["none", "expired", "for another server"],
)
@pytest.mark.parametrize("era", ERAS)
def test_without_a_good_token_the_answer_is_401_and_where_to_get_one(
    agent: PodRunner, era: str, bearer: str | None
) -> None:
    answer = from_pod(agent, lambda one: one.call(era, "whoami"), bearer=bearer)
    assert answer.status_code == 401
    assert f'resource_metadata="{WORKSHOP.metadata_url}"' in answer.headers["www-authenticate"]


def test_the_metadata_document_is_served_without_a_token(agent: PodRunner) -> None:
    answer = agent.sandbox.inside(lambda: httpx.get(URL + WORKSHOP.metadata_path, timeout=10))
    assert answer.status_code == 200
    assert json.loads(answer.text)["resource"] == WORKSHOP.resource


@pytest.mark.parametrize("era", ERAS)
def test_a_token_without_the_scope_is_told_which_one(agent: PodRunner, era: str) -> None:
    answer = from_pod(agent, lambda one: one.call(era, "make", MAKE), bearer=token("operator", scope=READ))
    assert answer.status_code == 403
    assert f'error="insufficient_scope", scope="{WRITE}"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("kilobytes", [1, 30, 60])
def test_a_message_up_to_the_limit_is_read_and_passes(agent: PodRunner, kilobytes: int) -> None:
    params = {"name": "whoami", "arguments": {}, "pad": "x" * 1024 * kilobytes}
    answer = from_pod(agent, lambda one: one.modern("tools/call", params), bearer=token("reader"))
    assert answer.status_code == 200, answer.text


def test_plaintext_to_a_strict_port_is_refused(mesh: Mesh, outsider: PodRunner, agent: PodRunner) -> None:
    address = mesh.pod("mcp", "mcp-workshop").address

    def ask() -> int:
        return httpx.get(f"http://{address}:8080/readyz", timeout=5).status_code

    with pytest.raises(httpx.TransportError):
        outsider.sandbox.inside(ask)


def test_tls_without_a_certificate_of_the_mesh_is_refused(mesh: Mesh, outsider: PodRunner) -> None:
    address = mesh.pod("mcp", "mcp-workshop").address

    def ask() -> int:
        return httpx.get(f"https://{address}:8080/readyz", timeout=5, verify=False).status_code

    with pytest.raises(httpx.TransportError):
        outsider.sandbox.inside(ask)


def test_what_is_not_a_hop_is_refused(mesh: Mesh, agent: PodRunner, stranger: PodRunner) -> None:
    """`effects` is in the namespace and in no rule: deny by default."""
    url = "http://effects.mcp.svc.cluster.local/counts"
    for pod in (agent, stranger):
        assert pod.sandbox.inside(lambda: httpx.get(url, timeout=10)).status_code == 403


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A TLS server outside of the cluster that greets under both names; its CA's file."""
    authority = Authority(tmp_path_factory.mktemp("internet"), "internet")
    pair = authority.issue("host", hosts=(LISTED, UNLISTED))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    with socket.create_server((sandbox.GATEWAY, 443)) as server:
        threading.Thread(target=_greet, args=(server, context), daemon=True).start()
        yield authority.file
        server.shutdown(socket.SHUT_RDWR)


def _greet(server: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.sendall(b"hello")
        except OSError:
            connection.close()


def greeting(pod: PodRunner, name: str, ca: Path) -> bytes:
    """What the server says to a pod that asks for it under a name; OSError where the mesh refuses."""

    def ask() -> bytes:
        context = ssl.create_default_context(cafile=str(ca))
        with (
            socket.create_connection((sandbox.GATEWAY, 443), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            return secure.recv(5)

    return pod.sandbox.inside(ask)


def test_a_listed_host_outside_is_reached_by_who_may_and_no_other(
    agent: PodRunner, stranger: PodRunner, outsider: PodRunner, internet: Path
) -> None:
    assert greeting(outsider, UNLISTED, internet) == b"hello"  # it is there, for those whom no proxy holds
    assert greeting(agent, LISTED, internet) == b"hello"
    for pod, name in ((agent, UNLISTED), (stranger, LISTED), (stranger, UNLISTED)):
        with pytest.raises(OSError, match=r"reset|EOF|closed|timed out|violation"):
            greeting(pod, name, internet)
