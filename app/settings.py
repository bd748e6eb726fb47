"""One frozen object for the whole service, grouped as the flow: source, history, pipeline, cluster, serving.

Each field is read from the environment as FORESCALE_<NAME>; its description gives unit and reason. Secrets are
files, re-read when they change. docs/configuration.md and k8s/base/configmap.yaml are compared with this file by tests.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import ConfigurationError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Settings(BaseSettings):
    """See the module's docstring."""

    model_config = SettingsConfigDict(env_prefix="FORESCALE_", frozen=True, extra="ignore")

    # source
    source: Literal["prometheus", "csv"] = Field("prometheus", description="where histories come from")
    prometheus_url: str = Field(
        "http://prometheus-operated.monitoring.svc:9090",
        description="base URL of anything that speaks the Prometheus API, path prefix included",
    )
    prometheus_bearer_token_file: Path | None = Field(None, description="file with a bearer token, re-read on change")
    prometheus_basic_username: str | None = Field(None, description="user of basic authentication")
    prometheus_basic_password_file: Path | None = Field(None, description="file with its password, re-read on change")
    prometheus_ca_file: Path | None = Field(None, description="CA bundle to verify the store with; default: system")
    prometheus_client_cert_file: Path | None = Field(None, description="client certificate (PEM) for mTLS")
    prometheus_client_key_file: Path | None = Field(None, description="its key (PEM)")
    prometheus_tenant: str | None = Field(None, description="tenant of Mimir, Cortex, Thanos; unset: no header")
    prometheus_tenant_header: str = Field("X-Scope-OrgID", description="header that carries the tenant")
    prometheus_timeout_seconds: float = Field(30, gt=0, description="of one request; the server's own limit is 2 min")
    prometheus_attempts: int = Field(4, ge=1, description="tries per request, exponential back-off with jitter between")
    prometheus_max_concurrency: int = Field(4, ge=1, description="requests at a time, so that history never floods it")
    prometheus_max_points: int = Field(
        10_000, ge=100, description="points per series and request; Prometheus refuses more than 11,000"
    )
    csv_file: Path | None = Field(None, description="CSV(.gz): timestamp and one column a series; with source=csv")

    # history
    history_days: float = Field(42, gt=0, description="length of the window: five weeks to learn from, one to judge by")
    history_step_seconds: int = Field(60, ge=1, description="time grid; 300 for thousands of workloads")
    settle_seconds: float = Field(5, ge=0, description="how far a cut lies back, so that late scrapes are in")

    # pipeline
    refresh_seconds: int = Field(15, ge=1, description="cuts are multiples of it; the HPA asks every 15 s by default")
    refit_seconds: int = Field(10_800, ge=1, description="between fits; the season changes slowly, the level does not")
    careful_workloads: int = Field(
        20, ge=0, description="up to so many, experts that cost seconds a workload take part"
    )
    fit_timeout_seconds: float = Field(900, gt=0, description="a fit that takes longer is killed, the last one serves")
    staleness_seconds: float = Field(
        180,
        gt=0,
        description="data older than this is refused: an error holds the HPA, an old number misleads it; of a query "
        "without a range the store's lookback (5 min) comes on top",
    )
    workloads_file: Path | None = Field(None, description="LoadForecasts in a YAML file; unset: watched in Kubernetes")

    prices_file: Path | None = Field(None, description="prices of node pools (YAML); unset: none are known")

    # cluster
    kubeconfig: Path | None = Field(None, description="kubeconfig; unset: in-cluster ServiceAccount")
    watch_namespace: str | None = Field(None, description="only LoadForecasts of this namespace; unset: all")
    pod_name: str = Field("forescale", description="this replica's name, holder of the status writer's lease")
    pod_namespace: str = Field("forescale", description="namespace of the lease")
    lease_seconds: int = Field(30, ge=5, description="how long a dead status writer keeps the others waiting")
    priority_expander_namespace: str | None = Field(
        None, description="where Cluster Autoscaler reads the ConfigMap of its priority expander; unset: not written"
    )

    node_headroom: Literal["off", "buffers", "buffers-and-balloons"] = Field(
        "off", description="what may hold room on nodes; the components k8s/nodes/headroom, k8s/nodes/balloons set it"
    )
    balloon_image: str = Field(
        "registry.k8s.io/pause:3.10.1",
        description="image of balloon pods, which do nothing; another, as a mirror's, is named in the admission policy "
        "too, see k8s/nodes",
    )

    # serving
    host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104 - a container's port
    port: int = Field(6443, ge=0, le=65535, description="port to listen on; unprivileged")
    tls_cert_file: Path | None = Field(None, description="serving certificate chain (PEM), reloaded on change")
    tls_key_file: Path | None = Field(None, description="its key (PEM)")
    authentication: Literal["delegated", "none"] = Field(
        "delegated", description="delegated: to the Kubernetes API; none: only on a loopback address"
    )
    forward_url: str | None = Field(
        None, description="server of external metrics that are not ours (KEDA, prometheus-adapter); unset: they are 404"
    )
    forward_ca_file: Path | None = Field(None, description="CA (PEM) of its certificate; unset: the system's")
    forward_token_file: Path | None = Field(
        Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        description="token that it is asked with; its owner needs the right to read external metrics",
    )
    keda_port: int | None = Field(
        None, ge=0, le=65535, description="port of KEDA's external scaler (gRPC); unset: there is none"
    )
    keda_client_ca_file: Path | None = Field(
        None, description="CA (PEM) of KEDA's client certificate; the scaler is only open without it on loopback"
    )
    expander_port: int | None = Field(
        None, ge=0, le=65535, description="port of Cluster Autoscaler's gRPC expander; unset: there is none"
    )
    authorization_allow_seconds: float = Field(60, ge=0, description="how long an allowed access is remembered")
    authorization_deny_seconds: float = Field(10, ge=0, description="how long a denied access is remembered")
    shutdown_delay_seconds: float = Field(5, ge=0, description="serving goes on after SIGTERM until endpoints are gone")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    log_format: Literal["json", "text"] = Field("json", description="json for collectors, text for eyes")

    @model_validator(mode="after")
    def _whole(self) -> "Settings":
        if self.authentication == "none" and self.host not in LOOPBACK:
            raise ValueError(f"authentication=none is only for loopback, not host={self.host}; use delegated")
        if self.authentication == "delegated" and not (self.tls_cert_file and self.tls_key_file):
            raise ValueError("authentication=delegated needs tls_cert_file and tls_key_file")
        if self.forward_url is not None and not self.forward_url.startswith("https://"):
            raise ValueError("forward_url must begin with https://: a token goes there")
        if self.keda_client_ca_file and not (self.tls_cert_file and self.tls_key_file):
            raise ValueError("keda_client_ca_file needs tls_cert_file and tls_key_file")
        if self.keda_port is not None and self.keda_client_ca_file is None and self.host not in LOOPBACK:
            raise ValueError("keda_port needs keda_client_ca_file, unless host is loopback: anybody could ask there")
        if self.source == "csv" and self.csv_file is None:
            raise ValueError("source=csv needs csv_file")
        if bool(self.prometheus_client_cert_file) != bool(self.prometheus_client_key_file):
            raise ValueError("prometheus_client_cert_file and prometheus_client_key_file belong together")
        if self.history_step_seconds * 2 > self.history_days * 86_400:
            raise ValueError("history_days must hold at least two steps of history_step_seconds")
        return self

    @model_validator(mode="after")
    def _expanders(self) -> "Settings":
        if self.expander_port is not None and self.host not in LOOPBACK and not self.tls_cert_file:
            raise ValueError("expander_port needs tls_cert_file and tls_key_file: Cluster Autoscaler speaks TLS alone")
        if (self.expander_port is not None or self.priority_expander_namespace) and self.prices_file is None:
            raise ValueError("expander_port and priority_expander_namespace choose by prices: set prices_file")
        if self.priority_expander_namespace and self.workloads_file is not None:
            raise ValueError("priority_expander_namespace needs a cluster; unset it or workloads_file")
        return self

    @property
    def history_steps(self) -> int:
        """Columns of the history panel."""
        return int(self.history_days * 86_400 // self.history_step_seconds)


def load_settings(**overrides: object) -> Settings:
    """Settings of the environment; raises ConfigurationError that names each wrong variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_explain(item["loc"], item["msg"]) for item in error.errors()]
        raise ConfigurationError("settings cannot be used:\n  " + "\n  ".join(lines)) from error


def _explain(location: tuple[int | str, ...], message: str) -> str:
    name = "FORESCALE_" + "_".join(str(part) for part in location).upper() if location else "combination"
    return f"{name}: {message}"
