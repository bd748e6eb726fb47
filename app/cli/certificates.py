"""`forescale certificates`: makes and renews the serving certificate where cert-manager is not at hand."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from app.cluster.certificates import SERVICE_NAME, Keeping
from app.cluster.connection import KubernetesApi, connect
from app.errors import ClusterError


def certificates(
    namespace: Annotated[
        str, typer.Option(envvar="FORESCALE_POD_NAMESPACE", help="Namespace of the Service and the Secrets.")
    ] = "forescale",
    service: Annotated[str, typer.Option(help="Service that the certificate is for.")] = SERVICE_NAME,
    kubeconfig: Annotated[
        Path | None, typer.Option(envvar="FORESCALE_KUBECONFIG", help="Unset: the pod's ServiceAccount.")
    ] = None,
    apiservice: Annotated[
        bool, typer.Option(help="Let the API server trust the CA; not where KEDA or an adapter owns the metrics API.")
    ] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; only say whether external.metrics.k8s.io is free or ours.")
    ] = False,
) -> None:
    """Make or renew the CA and the serving certificate, and let the API server trust them. Safe to repeat."""
    try:
        keeping = Keeping(
            KubernetesApi(connect(kubeconfig)), namespace=namespace, service=service, aggregated=apiservice
        )
        for line in _check(keeping) if check else keeping.run(now=time.time()) or ["nothing to renew"]:
            print(line)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _check(keeping: Keeping) -> list[str]:
    return ["the APIService is ours" if keeping.check_owner() else "nobody serves external.metrics.k8s.io yet"]
