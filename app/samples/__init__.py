"""The bundled history that `make run` plays, and when in it to start. README.md says where it comes from."""

from datetime import UTC, datetime

HISTORY = "nasa_http.csv.gz"
WORKLOADS = "loadforecasts.yaml"
STARTS_AT = datetime(1995, 8, 25, 12, tzinfo=UTC)  # three weeks are past, the busy hours of a Friday are ahead
ENDS_AT = datetime(1995, 9, 1, 4, tzinfo=UTC)  # the last number; later none is served
