"""`forescale doctor`: what is wrong with an installation, and how to mend it."""

import random
import time
from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import Output, OutputOption, errors_told, print_document
from app.cluster.connection import KubernetesApi, connect
from app.cluster.doctor import Finding, Patient, diagnose
from app.settings import load_settings
from app.sources.prometheus import prometheus_source

_MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
_DEFAULT_KUBECONFIG = Path.home() / ".kube" / "config"


def doctor(
    kubeconfig: Annotated[
        Path | None, typer.Option(envvar="KUBECONFIG", help="Of an administrator. Default: ~/.kube/config.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Where the service is installed.")] = "forescale",
    account: Annotated[str, typer.Option(help="Its ServiceAccount.")] = "forescale",
    prometheus_url: Annotated[str | None, typer.Option(help="As it is seen from here; none: not looked at.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look for what is wrong: replicas, certificate, APIService, rights, namespaces, forecasts, HPAs, store, clocks.

    Changes nothing. Exit code 1 where something has to be mended.
    """
    with errors_told():
        given = {} if prometheus_url is None else {"prometheus_url": prometheus_url}
        settings = load_settings(host="127.0.0.1", authentication="none", prometheus_attempts=1, **given)
        store = prometheus_source(settings, rng=random.Random()) if prometheus_url else None  # noqa: S311 - jitter
        patient = Patient(
            api=KubernetesApi(connect(kubeconfig or _DEFAULT_KUBECONFIG)),
            namespace=namespace,
            account=account,
            store=store,
            store_url=prometheus_url or "",
            now=time.time,
        )
        findings = list(diagnose(patient))
        if store is not None:
            store.close()
    if output is Output.TEXT:
        _show(findings)
    else:
        print_document([vars(one) for one in findings], output)
    if any(one.level == "error" for one in findings):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    for one in findings:
        print(f"{_MARKS[one.level]} {one.subject:<14} {one.text}")
        if one.remedy:
            print(f"        {'':<14} -> {one.remedy}")
