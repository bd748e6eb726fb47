"""`forescale serve`: the service, as it runs in a pod."""

from app import main
from app.cli.output import errors_told
from app.settings import load_settings


def serve() -> None:
    """Run the service. Settings come from FORESCALE_* variables; `settings` lists them."""
    with errors_told():
        main.serve(load_settings())
