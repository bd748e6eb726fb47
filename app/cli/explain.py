"""`forescale explain`: why a number is, or was, what it is."""

from datetime import datetime
from typing import Annotated, Any

import typer

from app.cli.output import NOTHING_SERVED, Output, OutputOption, errors_told, print_document
from app.cli.remote import (
    DEFAULT_SERVER,
    CaOption,
    NameOption,
    ServerOption,
    Service,
    TokenOption,
    WorkloadArgument,
    workload_path,
)
from app.errors import ConfigurationError

_STEPS = ("demand", "lead", "objective", "voices", "calendar", "required", "trust", "drop", "sizes", "bounds", "served")


def explain(
    workload: WorkloadArgument,
    at: Annotated[
        str | None, typer.Option(help="Past time, 2026-01-31T14:05+01:00; without a zone: local time.")
    ] = None,
    lead_seconds: Annotated[
        int | None, typer.Option(help="Planned with then, if it has changed: forescale_lead_seconds in your store.")
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    token_file: TokenOption = None,
    ca_file: CaOption = None,
    tls_server_name: NameOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Explain the served number step by step; of a past time it is computed anew. Exit code 3: nothing is served."""
    with errors_told():
        query = _query(at, lead_seconds)
        found = Service(server, token_file, ca_file, tls_server_name).get(
            f"{workload_path(workload)}/explanation", query
        )
        if output is Output.TEXT:
            _show(found)
        else:
            print_document(found, output)
    if found["served"]["value"] is None:
        raise typer.Exit(NOTHING_SERVED)


def _query(at: str | None, lead_seconds: int | None) -> dict[str, str]:
    if at is None and lead_seconds is not None:
        raise ConfigurationError("--lead-seconds is that of a past time: name it with --at")
    found = {} if at is None else {"at": _time(at).isoformat()}
    return found if lead_seconds is None else found | {"lead_seconds": str(lead_seconds)}


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise ConfigurationError(f"--at {text}: write a time such as 2026-01-31T14:05+01:00") from error


def _show(found: dict[str, Any]) -> None:
    served = found["served"]["quantity"] or "nothing"
    how = ", computed anew from the history up to then" if found["recomputed"] else ""
    print(f"{found['namespace']}/{found['name']}: {served}, as of {found['cut']}{how}")
    for step in _STEPS:
        print(f"  {step:<10} {found[step]['text']}")
