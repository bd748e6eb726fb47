"""`forescale forecast`: what is expected, from a running service."""

from typing import Annotated, Any

import typer

from app.cli.output import NOTHING_SERVED, Output, OutputOption, errors_told, print_document, print_table
from app.cli.remote import DEFAULT_SERVER, CaOption, NameOption, ServerOption, Service, TokenOption, workload_path

_LINES = 24


def forecast(
    workload: Annotated[str, typer.Argument(help="NAMESPACE/NAME of the LoadForecast; none: list all.")] = "",
    horizon: Annotated[int, typer.Option(min=1, max=21_600, help="Seconds ahead.")] = 3_600,
    step: Annotated[int | None, typer.Option(min=1, help="Seconds between lines; default: about 24 lines.")] = None,
    server: ServerOption = DEFAULT_SERVER,
    token_file: TokenOption = None,
    ca_file: CaOption = None,
    tls_server_name: NameOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the expected load of a workload, or all workloads with what is served. Exit code 3: nothing is served."""
    with errors_told():
        service = Service(server, token_file, ca_file, tls_server_name)
        if not workload:
            _list(service, output)
            return
        query = {"horizon": str(horizon), "step": str(step or max(horizon // _LINES, 1)), "history": "0"}
        found = service.get(f"{workload_path(workload)}/forecast", query)
        if output is Output.TEXT:
            _show(found)
        else:
            print_document(found, output)
    if found["served"] is None:
        raise typer.Exit(NOTHING_SERVED)


def _list(service: Service, output: Output) -> None:
    items: list[dict[str, Any]] = []
    query = {"limit": "500"}
    while True:
        page = service.get("/workloads", query)
        items += page["items"]
        if not page["continue"]:
            break
        query["continue"] = page["continue"]
    if output is not Output.TEXT:
        print_document(items, output)
        return
    rows = [
        (
            f"{one['namespace']}/{one['name']}",
            number(one["demand"]),
            number(one["required"]),
            number(one["served"]),
            "-" if one["pods"] is None else str(one["pods"]),
            "-" if one["skill"] is None else f"{one['skill']:.0%}",
            one["reason"],
        )
        for one in items
    ]
    header = ("workload", "measured", "required", "served", "pods", "skill", "reason")
    print_table(header, rows, title=f"{len(items)} workloads")


def _show(found: dict[str, Any]) -> None:
    paths = found["forecast"]["quantiles"]
    rows = [
        (time[:16].replace("T", " "), *(number(one["values"][place]) for one in paths))
        for place, time in enumerate(found["forecast"]["times"])
    ]
    title = f"{found['namespace']}/{found['name']}, {found['unit']}, quantiles"
    print_table(("time (UTC)", *(f"{one['level']:g}" for one in paths)), rows, title=title)
    print(f"served: {number(found['served'])} ({found['reason']}); required: {number(found['required'])}")


def number(value: float | None) -> str:
    """Four digits; a dash for none."""
    return "-" if value is None else f"{value:.4g}"
