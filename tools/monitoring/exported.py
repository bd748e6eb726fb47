"""Metrics of others that dashboards and rules ask for: name, labels that matter here, and where they are documented.

What cannot run in a test is played with just these names and labels; what runs there shows that they are right.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Exporter:
    """Who exports, where that is documented, and metric -> labels beside those of the scrape."""

    name: str
    documented: str
    metrics: Mapping[str, tuple[str, ...]]


_HPA = ("namespace", "horizontalpodautoscaler")
_POD = ("namespace", "pod")
_CONTAINER = ("namespace", "pod", "container")

KUBE_STATE_METRICS = Exporter(
    "kube-state-metrics",
    "https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics",
    {
        "kube_node_info": ("node",),
        "kube_node_labels": (
            "node",
            "label_forescale_dev_pool",
            "label_karpenter_sh_nodepool",
            "label_eks_amazonaws_com_nodegroup",
            "label_cloud_google_com_gke_nodepool",
            "label_agentpool",
        ),
        "kube_node_status_allocatable": ("node", "resource", "unit"),
        "kube_node_status_condition": ("node", "condition", "status"),
        "kube_namespace_labels": ("namespace", "label_forescale_dev_tenant"),
        "kube_pod_owner": (*_POD, "owner_kind", "owner_name"),
        "kube_pod_status_phase": (*_POD, "phase"),
        "kube_pod_status_unschedulable": _POD,
        "kube_pod_container_resource_requests": (*_CONTAINER, "node", "resource", "unit"),
        "kube_pod_container_status_restarts_total": _CONTAINER,
        "kube_replicaset_owner": ("namespace", "replicaset", "owner_kind", "owner_name"),
        "kube_replicaset_created": ("namespace", "replicaset"),
        "kube_deployment_spec_replicas": ("namespace", "deployment"),
        "kube_deployment_status_replicas_available": ("namespace", "deployment"),
        "kube_horizontalpodautoscaler_spec_min_replicas": _HPA,
        "kube_horizontalpodautoscaler_spec_max_replicas": _HPA,
        "kube_horizontalpodautoscaler_status_current_replicas": _HPA,
        "kube_horizontalpodautoscaler_status_desired_replicas": _HPA,
        "kube_horizontalpodautoscaler_status_condition": (*_HPA, "condition", "status"),
        "kube_resourcequota": ("namespace", "resourcequota", "resource", "type"),
        "kube_persistentvolume_capacity_bytes": ("persistentvolume",),
    },
)
KUBELET = Exporter(
    "kubelet and cAdvisor",
    "https://kubernetes.io/docs/reference/instrumentation/metrics/",
    {
        "container_cpu_usage_seconds_total": _CONTAINER,
        "container_memory_working_set_bytes": _CONTAINER,
        "kubelet_volume_stats_available_bytes": ("namespace", "persistentvolumeclaim"),
        "kubelet_volume_stats_capacity_bytes": ("namespace", "persistentvolumeclaim"),
    },
)
KUBE_APISERVER = Exporter(
    "kube-apiserver",
    "https://kubernetes.io/docs/reference/instrumentation/metrics/",
    {"aggregator_unavailable_apiservice": ("name",)},
)
KARPENTER = Exporter(
    "Karpenter",
    "https://karpenter.sh/docs/reference/metrics/",
    {
        "karpenter_nodepools_limit": ("nodepool", "resource_type"),
        "karpenter_nodepools_usage": ("nodepool", "resource_type"),
    },
)
OPENCOST = Exporter(
    "OpenCost",
    "https://opencost.io/docs/integrations/metrics",
    {
        "node_total_hourly_cost": ("node", "instance", "instance_type", "region", "provider_id"),
        "node_cpu_hourly_cost": ("node", "instance", "instance_type", "region", "provider_id"),
        "node_ram_hourly_cost": ("node", "instance", "instance_type", "region", "provider_id"),
        "kubecost_node_is_spot": ("node", "instance"),
        "container_cpu_allocation": ("namespace", "pod", "container", "node", "instance"),
        "container_memory_allocation_bytes": ("namespace", "pod", "container", "node", "instance"),
        "pv_hourly_cost": ("persistentvolume", "volumename", "provider_id"),
    },
)
CERT_MANAGER = Exporter(
    "cert-manager",
    "https://cert-manager.io/docs/devops-tips/prometheus-metrics/",
    {"certmanager_certificate_expiration_timestamp_seconds": ("namespace", "name")},
)
ISTIO = Exporter(
    "Istio",
    "https://istio.io/latest/docs/reference/config/metrics/",
    {
        "istio_requests_total": (
            "reporter",
            "source_workload",
            "source_workload_namespace",
            "destination_workload",
            "destination_workload_namespace",
            "destination_version",
            "response_code",
            "connection_security_policy",
            "mcp_method_name",
        ),
        "istio_request_duration_milliseconds_bucket": (
            "reporter",
            "destination_workload",
            "destination_workload_namespace",
            "le",
        ),
    },
)
ISTIOD = Exporter(
    "istiod",
    "https://istio.io/latest/docs/reference/commands/pilot-discovery/#metrics",
    {
        "pilot_xds": ("version",),
        "pilot_xds_pushes": ("type",),
        "pilot_total_xds_rejects": ("type",),
        "pilot_proxy_convergence_time_bucket": ("le",),
        "citadel_server_root_cert_expiry_timestamp": (),
    },
)
ENVOY = Exporter(
    "Envoy",
    "https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats",
    {
        "envoy_mcp_requests": ("mcp_method_name", "response_class"),
        "envoy_cluster_upstream_rq_pending_overflow": ("envoy_cluster_name",),
        "envoy_cluster_upstream_rq_retry": ("envoy_cluster_name",),
        "envoy_cluster_outlier_detection_ejections_active": ("envoy_cluster_name",),
        "envoy_http_local_rate_limit_rate_limited": (),
    },
)
COLLECTOR = Exporter(
    "OpenTelemetry Collector, and Jaeger, which is one",
    "https://opentelemetry.io/docs/collector/internal-telemetry/",
    {
        "otelcol_receiver_accepted_spans": ("receiver", "transport"),
        "otelcol_receiver_refused_spans": ("receiver", "transport"),
        "otelcol_exporter_sent_spans": ("exporter",),
        "otelcol_exporter_send_failed_spans": ("exporter",),
        "otelcol_exporter_enqueue_failed_spans": ("exporter",),
        "otelcol_exporter_queue_size": ("exporter",),
        "otelcol_exporter_queue_capacity": ("exporter",),
        "otelcol_process_memory_rss": (),
        "otelcol_processor_tail_sampling_count_traces_sampled": ("policy", "sampled", "decision"),
        "otelcol_processor_tail_sampling_global_count_traces_sampled": ("sampled", "decision"),
        "otelcol_processor_tail_sampling_sampling_traces_on_memory": (),
        "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early": (),
    },
)
SPAN_METRICS = Exporter(
    "the gateways' span metrics",
    "tracing/collector/base/config/span-metrics.yaml",
    {
        "traces_span_metrics_calls_total": ("service_name", "span_kind", "status_code", "otel_metric_overflow"),
        "traces_span_metrics_duration_seconds_bucket": ("service_name", "le"),
    },
)
SAMPLES = Exporter(
    "the instrumentation library and OpenTelemetry's HTTP conventions",
    "tracing/mcp/CATALOGUE.md",
    {
        "mcp_server_operation_duration_seconds_count": (),
        "mcp_server_operation_duration_seconds_bucket": ("le",),
        "mcp_client_operation_duration_seconds_count": (),
        "mcp_client_operation_duration_seconds_bucket": ("le",),
        "forescale_mcp_server_queue_duration_seconds_bucket": ("le",),
        "forescale_mcp_server_active_operations": (),
        "forescale_mcp_server_active_sessions": (),
        "forescale_mcp_server_active_streams": (),
        "http_server_active_requests": (),
    },
)
PROMETHEUS = Exporter(
    "Prometheus itself, and client libraries",
    "https://prometheus.io/docs/",
    {
        "up": (),
        "ALERTS": ("alertstate", "alertname"),
        "prometheus_tsdb_head_series": (),
        "prometheus_rule_evaluation_failures_total": ("rule_group",),
        "process_resident_memory_bytes": (),
        "process_cpu_seconds_total": (),
    },
)

EXPORTERS = (
    KUBE_STATE_METRICS,
    KUBELET,
    KUBE_APISERVER,
    KARPENTER,
    OPENCOST,
    CERT_MANAGER,
    ISTIO,
    ISTIOD,
    ENVOY,
    COLLECTOR,
    SPAN_METRICS,
    SAMPLES,
    PROMETHEUS,
)
