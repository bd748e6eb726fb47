"""An order that asks back before it is placed: the question goes out with sealed state, the answer may reach any
replica that has the same key."""

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel, Field

from examples.mcp.servers.catalog import items

Sku = Annotated[str, Field(description="Article number, such as M6x20-A2.", max_length=40)]
Quantity = Annotated[int, Field(ge=1, le=100_000)]


class Confirmation(BaseModel):
    """What the user is asked."""

    confirmed: bool


class Order(BaseModel):
    """What was ordered; `mass_g` of all pieces."""

    sku: str
    quantity: int
    mass_g: float


async def _confirmation(sku: str, quantity: int) -> Elicit[Confirmation]:
    return Elicit(f"Order {quantity} pieces of {sku}?", Confirmation)


def add_ordering(server: MCPServer[Any]) -> None:
    """The tool `order`."""

    @server.tool()
    async def order(
        sku: Sku, quantity: Quantity, confirmation: Annotated[Confirmation, Resolve(_confirmation)]
    ) -> Order:
        """Order an article; asks for a confirmation first, which a client of the modern era has to support."""
        found = items.lookup(sku)
        if found is None:
            raise ToolError(f"there is no article {sku}; search for it")
        if not confirmation.confirmed:
            raise ToolError("not ordered: the user did not confirm")
        return Order(sku=found.sku, quantity=quantity, mass_g=round(found.mass_g * quantity, 2))
