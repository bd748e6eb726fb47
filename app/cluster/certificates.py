"""Keeps the serving certificate and the APIService's trust in it alive where nothing else does.

Order matters: trust first, use later. The bundle learns a new CA before anything is signed by it, and forgets the old
one only when every replica has long had a certificate of the new one.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.issuing import Issued, must_renew, new_authority, new_serving, serves, signed_by, utc
from app.cluster.permissions import (
    CA_SECRET,
    CREATE_SECRET,
    EXTERNAL_METRICS_API,
    GET_APISERVICE,
    GET_CA,
    GET_SERVING,
    PATCH_APISERVICE,
    SERVING_SECRET,
    UPDATE_CA,
    UPDATE_SERVING,
    Permission,
)
from app.errors import ClusterError

SERVICE_NAME = "forescale"
_OVERLAP = timedelta(hours=1)  # the kubelet brings a changed Secret into a pod within about two minutes
_PREVIOUS = "previous.crt"
_NOT_FOUND = 404


class ForeignApiService(ClusterError):
    """Somebody else serves external.metrics.k8s.io in this cluster; the text says who and what to do."""


@dataclass(frozen=True)
class Certificates:
    """All that is kept: the CA that signs, the one before it (PEM, empty if none), the serving certificate."""

    authority: Issued | None = None
    previous: bytes = b""
    serving: Issued | None = None

    @property
    def bundle(self) -> bytes:
        """What the API server should trust."""
        return (self.authority.certificate if self.authority else b"") + self.previous


def renewed(current: Certificates, *, dns_names: list[str], now: datetime) -> Certificates:
    """What should be kept from now on; the same value if all is well."""
    renewed_ca = _with_authority(current, now=now)
    return _with_serving(_without_previous(renewed_ca, now=now), dns_names=dns_names, now=now)


def _with_authority(current: Certificates, *, now: datetime) -> Certificates:
    authority = current.authority
    if authority is not None and _good(authority, now=now):
        return current
    previous = authority.certificate if authority is not None and _parses(authority.certificate) else b""
    return replace(current, authority=new_authority(now=now), previous=previous)


def _without_previous(current: Certificates, *, now: datetime) -> Certificates:
    """Drops the old CA once the serving certificate of the new one is old enough to be in every replica."""
    if not current.previous or current.serving is None or current.authority is None:
        return current
    if not _parses(current.serving.certificate):
        return current
    leaf = current.serving.parsed
    if signed_by(leaf, current.authority.parsed) and now - leaf.not_valid_before_utc >= _OVERLAP:
        return replace(current, previous=b"")
    return current


def _with_serving(current: Certificates, *, dns_names: list[str], now: datetime) -> Certificates:
    serving, authority = current.serving, current.authority
    if authority is None:
        return current
    if serving is not None and _good(serving, now=now):
        leaf = serving.parsed
        if serves(leaf, dns_names) and signed_by(leaf, authority.parsed):
            return current
    return replace(current, serving=new_serving(authority, dns_names=dns_names, now=now))


def _good(issued: Issued, *, now: datetime) -> bool:
    """Whether it can be read, its key belongs to it, and it lives long enough."""
    return _parses(issued.certificate) and issued.has_its_key() and not must_renew(issued.parsed, now=now)


def _parses(certificate: bytes) -> bool:
    try:
        x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Keeping:
    """Where the certificates are kept and whom they are for. aggregated: False: the external metrics API is left to its
    owner, and nothing has to trust the CA but who is given it."""

    api: KubernetesApi
    namespace: str
    service: str = SERVICE_NAME
    aggregated: bool = True

    def check_owner(self) -> bool:
        """Whether the APIService exists and is ours (False: there is none). Raises ForeignApiService."""
        try:
            found = self.api.call(GET_APISERVICE)
        except ApiFailure as failure:
            if failure.status == _NOT_FOUND:
                return False
            raise
        reference = found["spec"].get("service") or {}
        owner = f"{reference.get('namespace')}/{reference.get('name')}"
        if owner == f"{self.namespace}/{self.service}":
            return True
        raise ForeignApiService(_foreign(owner if reference else "kube-apiserver itself", self))

    def run(self, *, now: float) -> list[str]:
        """Renews what needs it, writes it, and returns what was done, in sentences. Raises ClusterError."""
        if self.aggregated and not self.check_owner():
            raise ClusterError(f"there is no APIService {EXTERNAL_METRICS_API}; apply k8s/ first, then run this again")
        ca_secret, serving_secret = self._read(GET_CA), self._read(GET_SERVING)
        current = _kept(ca_secret, serving_secret)
        wanted = renewed(current, dns_names=self.dns_names, now=utc(now))
        done: list[str] = []
        if (wanted.authority, wanted.previous) != (current.authority, current.previous):
            self._write(UPDATE_CA, ca_secret, CA_SECRET, _ca_data(wanted))
            done.append("a new CA was made" if wanted.authority != current.authority else "the old CA was dropped")
        if self.aggregated and self._trust(wanted.bundle):
            done.append(f"the caBundle of {EXTERNAL_METRICS_API} was set")
        if wanted.serving != current.serving:
            self._write(UPDATE_SERVING, serving_secret, SERVING_SECRET, _serving_data(wanted))
            done.append(f"a serving certificate for {self.dns_names[0]} was issued")
        return done

    @property
    def dns_names(self) -> list[str]:
        """What the API server and others call the Service."""
        name = f"{self.service}.{self.namespace}.svc"
        return [name, f"{name}.cluster.local"]

    def _trust(self, bundle: bytes) -> bool:
        """Sets the caBundle; whether it had to be."""
        encoded = base64.b64encode(bundle).decode()
        found = self.api.call(GET_APISERVICE)
        if found["spec"].get("caBundle") == encoded:
            return False
        # With the version that was looked at: if somebody else took the name meanwhile, this is a conflict.
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        self.api.call(PATCH_APISERVICE, body={"metadata": version, "spec": {"caBundle": encoded}})
        return True

    def _read(self, permission: Permission) -> dict[str, Any] | None:
        try:
            return self.api.call(permission, namespace=self.namespace)
        except ApiFailure as failure:
            if failure.status == _NOT_FOUND:
                return None
            raise

    def _write(
        self, permission: Permission, found: Mapping[str, Any] | None, name: str, data: Mapping[str, bytes]
    ) -> None:
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        if found is not None:  # its resourceVersion makes this a conflict if another run was quicker
            # Keys of others stay: a Secret of type kubernetes.io/tls must keep its tls.crt.
            others = {key: value for key, value in (found.get("data") or {}).items() if key != _PREVIOUS}
            self.api.call(permission, namespace=self.namespace, body={**found, "data": {**others, **encoded}})
            return
        labels = {"app.kubernetes.io/name": "forescale", "app.kubernetes.io/part-of": "forescale"}
        metadata = {"name": name, "namespace": self.namespace, "labels": labels}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": encoded}
        self.api.call(CREATE_SECRET, namespace=self.namespace, body=body)


def _kept(ca_secret: Mapping[str, Any] | None, serving_secret: Mapping[str, Any] | None) -> Certificates:
    ca, serving = _data(ca_secret), _data(serving_secret)
    return Certificates(
        authority=Issued(ca["ca.crt"], ca.get("ca.key", b"")) if ca.get("ca.crt") else None,
        previous=ca.get(_PREVIOUS, b""),
        serving=Issued(serving["tls.crt"], serving.get("tls.key", b"")) if serving.get("tls.crt") else None,
    )


def _data(secret: Mapping[str, Any] | None) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(value) for key, value in ((secret or {}).get("data") or {}).items()}
    except binascii.Error as error:
        raise ClusterError(f"a Secret of ours holds what is not base64: {error}") from error


def _ca_data(certificates: Certificates) -> dict[str, bytes]:
    assert certificates.authority is not None
    data = {"ca.crt": certificates.authority.certificate, "ca.key": certificates.authority.key}
    return {**data, _PREVIOUS: certificates.previous} if certificates.previous else data


def _serving_data(certificates: Certificates) -> dict[str, bytes]:
    assert certificates.serving is not None
    serving = certificates.serving
    return {"tls.crt": serving.certificate, "tls.key": serving.key, "ca.crt": certificates.bundle}


def _foreign(owner: str, keeping: Keeping) -> str:
    return (
        f"APIService {EXTERNAL_METRICS_API} belongs to {owner}, not to {keeping.namespace}/{keeping.service}. A "
        f"cluster has only one: taking it over would break every HPA that reads a metric from {owner}. Either move "
        f"those metrics first and delete it (kubectl delete apiservice {EXTERNAL_METRICS_API}), or leave it, apply "
        f"k8s/ without apiservice.yaml, and let KEDA or an adapter read forescale's REST API instead; or take it over "
        f"and pass those metrics on to {owner} (FORESCALE_FORWARD_URL, see k8s/examples/README.md)."
    )
