"""`forescale what-if`: other settings, other prices, on a file or on a workload's own past."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.output import Output, OutputOption, errors_told, print_document, print_table
from app.cli.remote import DEFAULT_SERVER, CaOption, NameOption, ServerOption, Service, TokenOption, workload_path
from app.cli.replay import TimeZoneOption, progress_bar, worth_of
from app.cli.tables import HEADER, as_json, show
from app.inquiries import WhatIfTerms
from app.pipeline.whatif import answer, what_if
from app.sources.history_file import read_history


def what_if_command(
    subject: Annotated[str, typer.Argument(help="A CSV file timestamp,value (.gz too), or NAMESPACE/NAME.")],
    lead: Annotated[int, typer.Option(min=1, max=240, help="Minutes that a new pod needs.")] = 5,
    price: Annotated[float | None, typer.Option(min=0.1, help="A missing pod-minute in idle ones. Default 20.")] = None,
    budget: Annotated[float | None, typer.Option(min=1e-4, max=0.5, help="Instead: share of time short.")] = None,
    pod_capacity: Annotated[float | None, typer.Option(help="What a pod serves. Default: a 20th of the mean.")] = None,
    target_utilisation: Annotated[float, typer.Option(min=0.05, max=1, help="Of the HPA to compare with.")] = 0.7,
    tolerance: Annotated[float, typer.Option(min=0, max=1, help="Of that HPA.")] = 0.1,
    stabilization: Annotated[int, typer.Option(min=0, max=60, help="Minutes, of the HPA when it scales in.")] = 5,
    min_pods: Annotated[int, typer.Option(min=1, help="minReplicas.")] = 1,
    pod_hour_cost: Annotated[float | None, typer.Option(min=0, help="Money that a pod-hour costs.")] = None,
    time_zone: TimeZoneOption = None,
    scored_from: Annotated[float, typer.Option(min=0.01, max=0.99, help="Share that only teaches.")] = 0.5,
    days: Annotated[float, typer.Option(min=1, max=366, help="Of a workload's history.")] = 28,
    fleet: Annotated[bool, typer.Option("--fleet", help="Only the experts that thousands of workloads get.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    token_file: TokenOption = None,
    ca_file: CaOption = None,
    tls_server_name: NameOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """What a past would have cost: the HPA as given, reacting at its best, with the forecast, with a perfect one.

    A file is replayed here, a workload by the service.
    """
    with errors_told():
        terms = WhatIfTerms(
            lead_minutes=lead,
            price=worth_of(price, budget),
            capacity_per_pod=pod_capacity,
            scored_from=scored_from,
            fleet=fleet,
            target_utilisation=target_utilisation,
            tolerance=tolerance,
            stabilization_minutes=stabilization,
            min_pods=min_pods,
            pod_hour_cost=pod_hour_cost,
            time_zone=time_zone,
        )
        path = Path(subject)
        if path.exists() or path.suffix in (".csv", ".gz"):
            file = read_history(path)
            with progress_bar(file.name, shown=True) as told:
                found = answer(what_if(file, terms, on_progress=told))
            if output is Output.TEXT:
                show(found)
            else:
                print_document(as_json(found), output)
        else:
            _remote(Service(server, token_file, ca_file, tls_server_name), subject, terms, days, output)


def _remote(service: Service, workload: str, terms: WhatIfTerms, days: float, output: Output) -> None:
    query = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in asdict(terms).items()}
    query = {key: value for key, value in query.items() if value != "None"} | {"days": str(days)}
    found: dict[str, Any] = service.post(f"{workload_path(workload)}/what-if", query)
    if output is not Output.TEXT:
        print_document({key: value for key, value in found.items() if key != "curves"}, output)
        return
    rows = [
        (
            one["name"],
            f"{one['cost']:.3f}",
            f"{one['pod_minutes']:,.0f}",
            f"{one['short_pod_minutes']:,.0f}",
            f"{one['overload']:.2%}",
            *([] if one["money"] is None else [f"{one['money']:,.2f}"]),
        )
        for one in found["policies"].values()
    ]
    print_table(HEADER if terms.pod_hour_cost is None else (*HEADER, "money"), rows)
    print(found["sentence"])
