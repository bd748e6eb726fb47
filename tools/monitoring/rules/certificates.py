"""Certificates that nobody has renewed."""

from app.telemetry import CERTIFICATE_END
from tools.monitoring.limits import CERTIFICATE_SECONDS
from tools.monitoring.rules.model import Alert, Group, RuleFile

_ROOT_SECONDS = 30 * 86_400


def certificates() -> RuleFile:
    """The service's own, cert-manager's, and the root of the mesh."""
    served = f"min by (job) ({CERTIFICATE_END.name}) - time()"
    left = "min by (namespace, name) (certmanager_certificate_expiration_timestamp_seconds) - time()"
    root = "min(citadel_server_root_cert_expiry_timestamp) - time()"
    why = "renewal starts weeks before; what gets here was not renewed."
    alerts = (
        Alert(
            "ServingCertificateNearExpiry",
            f"{served} < {CERTIFICATE_SECONDS.value:g}",
            "1h",
            "critical",
            "a replica of {{ $labels.job }} serves with a certificate that ends in {{ $value | humanizeDuration }}",
        ),
        Alert(
            "CertificateNearExpiry",
            f"{left} < {CERTIFICATE_SECONDS.value:g}",
            "1h",
            "critical",
            "{{ $labels.namespace }}/{{ $labels.name }} ends in {{ $value | humanizeDuration }} and was not renewed",
        ),
        Alert(
            "MeshRootNearExpiry",
            f"{root} < {_ROOT_SECONDS}",
            "1h",
            "critical",
            "the mesh's root certificate ends in {{ $value | humanizeDuration }}; all others end with it",
        ),
    )
    return RuleFile("certificates", (Group("forescale-certificates", why, alerts),))
