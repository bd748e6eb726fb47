"""What the child processes begin with. Imported in the serving process too, which must not carry the forecasting
libraries with it: they are 120 MB. So each imports its work when it runs.
"""

from multiprocessing.connection import Connection

from app.clock import Clock
from app.settings import Settings


def pipeline(settings: Settings, clock: Clock, link: Connection) -> None:
    """Makes passes."""
    from app.pipeline import child

    child.run(settings, clock, link)


def inquiry(settings: Settings, clock: Clock, link: Connection) -> None:
    """Answers questions."""
    from app.pipeline import answering

    answering.run(settings, clock, link)
