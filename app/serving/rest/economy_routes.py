"""Routes of REST v1 about money: prices of pools, choices between node groups, spot advice, savings."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.clock import Clock
from app.pricing.decisions import Decisions
from app.serving.rest.context import ONE, Name, Namespace, moment, unchanged
from app.serving.rest.economy import choice_of, prices_of, savings_of, spot_of
from app.serving.rest.economy_schemas import Choices, Prices, Savings, Spot
from app.serving.rest.workload_routes import NOT_MODIFIED, IfNoneMatch
from app.snapshot import SnapshotStore


def add_prices(routes: APIRouter, store: SnapshotStore, clock: Clock, decisions: Decisions) -> None:
    """Of node pools, and what was chosen by them."""

    @routes.get("/prices", summary="What nodes and forecast pod-hours cost, pool by pool", tags=["costs"])
    def prices() -> Prices:
        at = moment(store, clock)
        return prices_of(at.snapshot, now=at.now)

    @routes.get(
        "/expander/decisions", summary="Which node groups were chosen for Cluster Autoscaler, and why", tags=["costs"]
    )
    def choices() -> Choices:
        return Choices(items=[choice_of(one) for one in decisions.last()])


def add_economy(routes: APIRouter, store: SnapshotStore, clock: Clock) -> None:
    """Of one workload."""

    @routes.get(
        f"{ONE}/spot",
        summary="How many of its pods may stand on spot nodes",
        tags=["costs"],
        response_model=Spot,
        responses=NOT_MODIFIED,
    )
    def spot(
        namespace: Namespace, name: Name, response: Response, if_none_match: IfNoneMatch = None
    ) -> Spot | Response:
        at = moment(store, clock)
        row = at.row(namespace, name)
        return unchanged(at.etag(row), if_none_match, response) or spot_of(at.snapshot, row, now=at.now)

    @routes.get(
        f"{ONE}/savings",
        summary="What the forecast saved against the same HPA alone, day by day",
        tags=["costs"],
        response_model=Savings,
        responses=NOT_MODIFIED,
    )
    def savings(
        namespace: Namespace,
        name: Name,
        response: Response,
        days: Annotated[int, Query(ge=1, le=7, description="replayed days, the newest")] = 7,
        if_none_match: IfNoneMatch = None,
    ) -> Savings | Response:
        at = moment(store, clock)
        row = at.row(namespace, name)
        return unchanged(at.etag(row), if_none_match, response) or savings_of(at.snapshot, row, days=days)
