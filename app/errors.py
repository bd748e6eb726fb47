"""What can go wrong in the service; a class exists only where somebody handles it apart.

AppError
├── ConfigurationError     settings or a workload file cannot be used; the text says what to change
├── SourceError            the store of histories did not answer as it should
│   ├── SourceUnavailable  not reachable, timed out, 5xx, 429: worth a retry
│   ├── SourceRefused      401, 403, 404, TLS: a retry changes nothing
│   └── QueryRejected      400, 422: the query itself is wrong, only its workloads suffer
├── ClusterError           the Kubernetes API did not answer as it should
└── FitFailed              a refit died, ran out of time, or was cancelled
"""


class AppError(Exception):
    """Base of everything the service raises on purpose."""


class ConfigurationError(AppError):
    """Settings or a workload file cannot be used; the message says what to change."""


class SourceError(AppError):
    """The store of histories did not answer as it should."""


class SourceUnavailable(SourceError):
    """Not reachable, timed out, overloaded or broken: worth a retry."""


class SourceRefused(SourceError):
    """Credentials, address or TLS are wrong: a retry changes nothing."""


class QueryRejected(SourceError):
    """The store understood the request and rejected the query; only its own workloads suffer."""


class ClusterError(AppError):
    """The Kubernetes API did not answer as it should."""


class FitFailed(AppError):
    """A refit died, ran out of time, or was cancelled."""
