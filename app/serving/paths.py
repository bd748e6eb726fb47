"""Names that several parts of serving share."""

METRICS_GROUP = "external.metrics.k8s.io"
METRICS_VERSION = "v1beta1"
HEALTH_PATHS = frozenset({"/healthz", "/livez", "/readyz"})
PEER_EXTENSION = "forescale.peer_chain"  # in an ASGI scope's extensions; callers cannot set it
