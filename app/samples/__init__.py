"""The bundled history that `make run` plays, and when in it to start. README.md says where it comes from."""

from importlib.resources import files
from pathlib import Path

HISTORY_FILE = "nasa_http.csv.gz"
WORKLOADS_FILE = "loadforecasts.yaml"
FIRST_S = 807_494_460  # 1995-08-04T00:01:00Z, the first sample
LAST_S = 809_928_000  # 1995-09-01T04:00:00Z, the last one
START_S = 809_352_000  # 1995-08-25T12:00:00Z: three weeks are past, the busy hours of a Friday are ahead


def path_of(name: str) -> Path:
    """Where a file of this folder is; the package is installed as files, never zipped."""
    return Path(str(files(__name__) / name))
