"""The metrics that there are: what Trueup's model servers export, and what comes with the Prometheus operator's chart.

Read by the rules of Monitor and Dashboard, and by what compiles them. A test asks a real server, so that none is named that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its labels, without those that a scrape adds."""

    name: str
    """As in expressions: that of a counter ends in `_total`."""
    type: Literal["counter", "gauge", "histogram", "summary"]
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names that expressions may use; when a series was made (`…_created`) is none."""
        if self.type == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        return (self.name,)

    def labels_of(self, series: str) -> tuple[str, ...]:
        """The labels of one of its names."""
        return (*self.labels, "le") if series.endswith("_bucket") else self.labels


REQUESTS = "trueup_inference_requests_total"
"""Requests of inference by how they ended."""
FAILED = ("error", "timeout")
"""The values of its label `outcome` that are the server's fault; the others are `ok` and `invalid`."""
PREDICT = "request_predict_seconds"
"""The time that the model took, KServe's histogram."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The bounds of its buckets in seconds, those that `prometheus_client` has by default."""

SERVER: tuple[Family, ...] = (
    Family(REQUESTS, "counter", ("model_name", "model_version", "outcome")),
    Family(PREDICT, "histogram", ("model_name",)),
    Family("request_preprocess_seconds", "histogram", ("model_name",)),
    Family("request_postprocess_seconds", "histogram", ("model_name",)),
    Family("process_cpu_seconds_total", "counter"),
    Family("process_resident_memory_bytes", "gauge"),
    Family("process_virtual_memory_bytes", "gauge"),
    Family("process_start_time_seconds", "gauge"),
    Family("process_open_fds", "gauge"),
    Family("process_max_fds", "gauge"),
    Family("python_info", "gauge", ("implementation", "major", "minor", "patchlevel", "version")),
    Family("python_gc_objects_collected_total", "counter", ("generation",)),
    Family("python_gc_objects_uncollectable_total", "counter", ("generation",)),
    Family("python_gc_collections_total", "counter", ("generation",)),
)
"""What a model server of an endpoint exports."""

SCRAPED = frozenset({"namespace", "pod", "container", "endpoint", "job", "instance"})
"""The labels that the scrape of a PodMonitor adds."""

_PROMETHEUS = """
up scrape_duration_seconds scrape_samples_scraped scrape_samples_post_metric_relabeling scrape_series_added ALERTS ALERTS_FOR_STATE
"""
_KUBE_STATE = """
kube_pod_info kube_pod_owner kube_pod_created kube_pod_start_time kube_pod_status_phase kube_pod_status_ready kube_pod_status_scheduled
kube_pod_status_reason kube_pod_status_unschedulable kube_pod_labels kube_pod_completion_time kube_pod_container_info
kube_pod_container_status_ready kube_pod_container_status_running kube_pod_container_status_waiting kube_pod_container_status_waiting_reason
kube_pod_container_status_terminated kube_pod_container_status_terminated_reason kube_pod_container_status_last_terminated_reason
kube_pod_container_status_restarts_total kube_pod_container_resource_requests kube_pod_container_resource_limits
kube_pod_init_container_status_restarts_total kube_deployment_created kube_deployment_labels kube_deployment_metadata_generation
kube_deployment_spec_paused kube_deployment_spec_replicas kube_deployment_status_condition kube_deployment_status_observed_generation
kube_deployment_status_replicas kube_deployment_status_replicas_available kube_deployment_status_replicas_ready
kube_deployment_status_replicas_unavailable kube_deployment_status_replicas_updated kube_replicaset_owner kube_replicaset_spec_replicas
kube_replicaset_status_replicas kube_replicaset_status_ready_replicas kube_statefulset_replicas kube_statefulset_status_replicas_ready
kube_horizontalpodautoscaler_info kube_horizontalpodautoscaler_spec_max_replicas kube_horizontalpodautoscaler_spec_min_replicas
kube_horizontalpodautoscaler_spec_target_metric kube_horizontalpodautoscaler_status_condition
kube_horizontalpodautoscaler_status_current_replicas kube_horizontalpodautoscaler_status_desired_replicas
kube_job_info kube_job_owner kube_job_created kube_job_spec_active_deadline_seconds kube_job_status_active kube_job_status_failed
kube_job_status_succeeded kube_job_status_start_time kube_job_status_completion_time kube_job_complete kube_job_failed
kube_cronjob_info kube_cronjob_created kube_cronjob_spec_suspend kube_cronjob_status_active kube_cronjob_status_last_schedule_time
kube_cronjob_status_last_successful_time kube_cronjob_next_schedule_time
kube_poddisruptionbudget_status_current_healthy kube_poddisruptionbudget_status_desired_healthy
kube_poddisruptionbudget_status_expected_pods kube_poddisruptionbudget_status_pod_disruptions_allowed
kube_namespace_status_phase kube_resourcequota kube_limitrange kube_service_info kube_service_spec_type
kube_persistentvolumeclaim_info kube_persistentvolumeclaim_status_phase kube_persistentvolumeclaim_resource_requests_storage_bytes
kube_node_info kube_node_status_condition kube_node_status_allocatable kube_node_status_capacity kube_node_spec_unschedulable
"""
_CADVISOR = """
container_cpu_usage_seconds_total container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total
container_cpu_cfs_throttled_seconds_total container_memory_working_set_bytes container_memory_usage_bytes container_memory_rss
container_memory_cache container_memory_failcnt container_oom_events_total container_spec_cpu_quota container_spec_cpu_period
container_spec_memory_limit_bytes container_network_receive_bytes_total container_network_transmit_bytes_total
container_fs_usage_bytes container_fs_reads_bytes_total container_fs_writes_bytes_total container_start_time_seconds
kubelet_volume_stats_available_bytes kubelet_volume_stats_capacity_bytes kubelet_volume_stats_used_bytes
"""
CLUSTER = frozenset(f"{_PROMETHEUS} {_KUBE_STATE} {_CADVISOR}".split())
"""What Prometheus itself, kube-state-metrics (its stable metrics and those of its documentation) and the kubelets export."""

WINDOWS: Mapping[str, float] = {
    "5m": 300,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "6h": 21600,
    "1d": 86400,
    "3d": 259200,
}
"""The windows of an SLO's alerts, in seconds."""
ERRORS = "slo:sli_error:ratio_rate"
"""The share of bad events; the window stands at the end."""
OBJECTIVE = "slo:objective:ratio"
BUDGET = "slo:error_budget:ratio"
BURN_RATE = "slo:current_burn_rate:ratio"
REMAINING = "slo:period_error_budget_remaining:ratio"
"""Sloth's names of series."""


def slo_series(window: str) -> Iterator[str]:
    """The series that are recorded of an SLO over a window."""
    yield from (OBJECTIVE, BUDGET, BURN_RATE, REMAINING)
    yield from (f"{ERRORS}{w}" for w in (*WINDOWS, window))


def server_labels() -> Mapping[str, frozenset[str]]:
    """The labels of each series of a model server."""
    return {series: frozenset(f.labels_of(series)) | SCRAPED for f in SERVER for series in f.series}
