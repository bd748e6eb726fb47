"""The block of a LoadForecast that asks for room on nodes. Off unless it names through what."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.workloads.fields import Part, Quantity

Provisioning = Literal["None", "CapacityBuffer", "BalloonPods"]

LEAST_LEVEL, LARGEST_LEVEL = 0.5, 0.99  # below a half it would be no headroom, above it a week shows too few cases


class NodeLead(Part):
    """Time that a new node needs, from being asked for to taking pods: as `Lead`, of nodes."""

    floor_seconds: int = Field(30, ge=1, le=3600)
    fallback_seconds: int = Field(240, ge=1, le=3600)

    @model_validator(mode="after")
    def _ordered(self) -> "NodeLead":
        if self.fallback_seconds < self.floor_seconds:
            raise ValueError("nodes.lead.fallbackSeconds must not be below nodes.lead.floorSeconds")
        return self


class Nodes(Part):
    """Room on nodes for the pods that will be asked for a node's lead time ahead. provisioning: through what; level:
    quantile of the demand then; max_headroom: pods, what a wrong forecast can cost at most."""

    provisioning: Provisioning = "None"
    lead: NodeLead = NodeLead()
    level: Annotated[Quantity, Field(ge=LEAST_LEVEL, le=LARGEST_LEVEL)] = 0.95
    max_headroom: int = Field(20, ge=1, le=10_000)
