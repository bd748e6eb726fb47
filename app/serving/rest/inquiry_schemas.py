"""What REST v1 answers to questions that take a while. Units are in names; `null` means no number."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from app.inquiries import Inquiry, WhatIfAnswer
from app.serving.rest.explanation import utc


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Pending(_Answer):
    """A question that is being worked on; ask the same address again."""

    state: str = Field(description="Waiting or Running")
    progress: float = Field(description="0 to 1", ge=0, le=1)
    location: str = Field(description="where the answer will be")


class Policy(_Answer):
    """What one way of scaling would have cost."""

    name: str
    cost: float = Field(description="J: (pods + price x missing pods) over the least possible pods")
    pods: float = Field(description="pod-minutes over the least possible ones")
    overload: float = Field(description="share of the demand that ready pods could not serve")
    minutes_short: int
    pod_minutes: float
    short_pod_minutes: float
    money: float | None = Field(description="of the pods, in the currency of pod_hour_cost")


class Curves(_Answer):
    """In pods, each number the largest demand or the fewest ready pods of its span."""

    times: list[datetime]
    demand: list[float]
    ready: dict[str, list[float]] = Field(description="policy -> pods ready")


class WhatIf(_Answer):
    """What a past would have cost; nothing in the forecast's part knew its future."""

    state: str = Field(description="Done")
    history: str
    scored_minutes: int
    lead_minutes: int
    missing_pod_price: float
    capacity_per_pod: float
    policies: dict[str, Policy] = Field(description="hpa (as given), reactive (best in hindsight), forecast, perfect")
    gap_closed: float | None = Field(description="share of what a perfect forecast saves over the best reactive policy")
    acting_share: float = Field(description="of the scored time in which the forecast was trusted")
    sentence: str
    curves: Curves


def pending(inquiry: Inquiry, *, location: str) -> Pending:
    """How far it is."""
    return Pending(state=str(inquiry.state), progress=inquiry.progress, location=location)


def what_if(found: WhatIfAnswer) -> WhatIf:
    """The answer as REST gives it."""
    curves = found.curves
    return WhatIf(
        state="Done",
        history=found.history,
        scored_minutes=found.scored_minutes,
        lead_minutes=found.terms.lead_minutes,
        missing_pod_price=found.terms.price,
        capacity_per_pod=found.capacity_per_pod,
        policies={key: Policy.model_validate(one, from_attributes=True) for key, one in found.policies.items()},
        gap_closed=found.gap_closed,
        acting_share=found.acting_share,
        sentence=found.sentence,
        curves=Curves(
            times=[time for one in curves.times_s.tolist() if (time := utc(one)) is not None],
            demand=[round(one, 3) for one in curves.demand.tolist()],
            ready={key: [round(one, 3) for one in values.tolist()] for key, values in curves.ready.items()},
        ),
    )
