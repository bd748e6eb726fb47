"""`forescale tune`: what the HPA should say, from a workload's own history, with the evidence."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import yaml
from numpy.typing import NDArray

from app.cli.output import Output, OutputOption, errors_told, print_document
from app.cli.replay import progress_bar
from app.cli.tuning_tables import as_json, show
from app.clock import SystemClock
from app.errors import ConfigurationError
from app.pipeline.measurements import BESIDE, measured_file, measured_workload
from app.pipeline.rehearsal import RehearsalOptions, rehearse
from app.settings import load_settings
from app.sources.history_file import HistoryFile
from app.tuning.manifest import objects
from app.tuning.measured import Measured
from app.tuning.proposal import Sizing, Wishes, propose, size
from app.tuning.types import WorkloadType
from app.workloads.file import read_file
from app.workloads.spec import LoadForecast

_MANIFEST = (
    "# kubectl apply --server-side --field-manager=forescale-tune -f THIS; the LoadForecast has to be there already\n"
)


def tune(
    subject: Annotated[
        Path,
        typer.Argument(
            help=f"CSV timestamp,value and any of {', '.join(BESIDE)}; or a YAML file with a LoadForecast, whose "
            "demand is then read from Prometheus."
        ),
    ],
    kind: Annotated[
        WorkloadType | None,
        typer.Option("--type", help="Policy that is begun with. Default: the LoadForecast's, else stateless."),
    ] = None,
    promised_latency: Annotated[float | None, typer.Option(min=1e-6, help="Seconds. Default: the knee.")] = None,
    pod_capacity: Annotated[float | None, typer.Option(min=1e-9, help="Where the history cannot say it.")] = None,
    lead: Annotated[int, typer.Option(min=1, max=3600, help="Seconds, where no start-ups are measured.")] = 120,
    price: Annotated[float | None, typer.Option(min=0.1, help="Of a missing pod-minute, in idle ones.")] = None,
    pod_minute: Annotated[float | None, typer.Option(min=1e-12, help="Money that a pod-minute costs.")] = None,
    missed_pod_minute: Annotated[
        float | None, typer.Option(min=1e-12, help="And one that was missing: instead of --price.")
    ] = None,
    removal_price: Annotated[
        float | None, typer.Option(min=0, help="What taking one pod away is worth, in idle pod-minutes.")
    ] = None,
    forecast: Annotated[bool, typer.Option(help="Replay on the forecast's numbers, which takes minutes.")] = True,
    days: Annotated[float, typer.Option(min=2, max=366, help="Of a workload's history.")] = 28,
    prometheus_url: Annotated[str | None, typer.Option(help="Default: as the service's settings say.")] = None,
    pods_query: Annotated[str | None, typer.Option(help="PromQL of ready pods.")] = None,
    latency_query: Annotated[
        str | None, typer.Option(help="Of latency in seconds, at the quantile you promise.")
    ] = None,
    utilisation_query: Annotated[str | None, typer.Option(help="Of CPU used over requested.")] = None,
    startup_query: Annotated[str | None, typer.Option(help="Of the newest pod's start-up in seconds.")] = None,
    workload: Annotated[str, typer.Option(help="NAMESPACE/NAME in the manifest of a CSV.")] = "mcp/workload",
    container: Annotated[str | None, typer.Option(help="The application's container. Default: the name.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="Also write the objects here, ready to apply.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Propose target per pod, min, max, behaviour and price for an HPA; each with its evidence, or why there is none.

    Exit code 1 where even the target per pod cannot be told; --pod-capacity goes on without.
    """
    given = {"pods": pods_query, "latency_seconds": latency_query, "utilisation": utilisation_query}
    queries = {name: query for name, query in {**given, "startup_seconds": startup_query}.items() if query}
    with errors_told():
        one = _only(subject) if subject.suffix in (".yaml", ".yml") else None
        worth = price or ratio(pod_minute, missed_pod_minute)
        wishes = with_what_it_says(Wishes(kind, promised_latency, pod_capacity, lead, worth, removal_price), one)
        file, measured = measured_file(subject) if one is None else _read(one, queries, days, prometheus_url)
        sizing = size(measured, wishes)
        if sizing.capacity.value is None:
            raise ConfigurationError(f"what one pod carries cannot be told: {sizing.capacity.evidence}")
        served = _served(file, sizing, wishes) if forecast else None
        proposal = propose(measured, sizing, wishes, served=served)
    namespace, _, name = (workload if one is None else one.key).partition("/")
    written = objects(proposal, namespace=namespace, name=name, container=container or name)
    if manifest is not None:
        manifest.write_text(_MANIFEST + yaml.safe_dump_all(written, sort_keys=False))
    if output is Output.TEXT:
        show(proposal)
    else:
        print_document(as_json(proposal, written), output)


def ratio(pod_minute: float | None, missed_pod_minute: float | None) -> float | None:
    """Price of a missing pod-minute in idle ones, from money. Raises ConfigurationError for one without the other."""
    if (pod_minute is None) != (missed_pod_minute is None):
        raise ConfigurationError("--pod-minute and --missed-pod-minute are a price together; give both")
    return None if pod_minute is None or missed_pod_minute is None else missed_pod_minute / pod_minute


def with_what_it_says(wishes: Wishes, forecast: LoadForecast | None) -> Wishes:
    """What the user left open and the LoadForecast says: type, price, and the capacity where nothing was measured."""
    if forecast is None:
        return replace(wishes, kind=wishes.kind or WorkloadType.STATELESS)
    spec = forecast.spec
    said = WorkloadType((spec.costs.workload_type or "Stateless").lower())
    money = ratio(spec.costs.pod_minute, spec.costs.missed_pod_minute) if spec.costs.pod_minute else None
    return replace(
        wishes,
        kind=wishes.kind or said,
        price=wishes.price or money or spec.objective.price,
        fallback_capacity=spec.capacity_per_pod,
        time_zone=spec.time_zone,
    )


def _read(
    one: LoadForecast, queries: dict[str, str], days: float, prometheus_url: str | None
) -> tuple[HistoryFile, Measured]:
    given: dict[str, Any] = {} if prometheus_url is None else {"prometheus_url": prometheus_url}
    settings = load_settings(host="127.0.0.1", authentication="none", **given)
    with progress_bar(one.key, shown=True) as told:
        return measured_workload(one, queries, days=days, settings=settings, clock=SystemClock(), on_progress=told)


def _only(file: Path) -> LoadForecast:
    documents = read_file(file)
    for document in documents:
        for problem in document.problems:
            raise ConfigurationError(f"{file}:{document.line}: {document.key}: {problem}")
    found = [one.forecast for one in documents if one.forecast is not None]
    if len(found) != 1:
        raise ConfigurationError(f"{file} holds {len(found)} LoadForecasts; one is tuned at a time")
    return found[0]


def _served(file: HistoryFile, sizing: Sizing, wishes: Wishes) -> NDArray[np.float64]:
    """What the forecast would have served in this past, by the experts that a fleet gets."""
    policy = wishes.policy
    options = RehearsalOptions(
        sizing.lead_minutes,
        1,
        wishes.price or policy.price,
        sizing.capacity.value or 1.0,
        file.delay_minutes,
        fleet=True,
        stabilization_minutes=policy.behaviour.down.window_seconds // 60,
        zone=wishes.time_zone,
    )
    with progress_bar(file.name, shown=True) as told:
        return rehearse(file.known, options, on_progress=told).capacity
