"""The target `kubernetes`: endpoints and gateways on a cluster, and the namespaces that they stand in."""

from __future__ import annotations

from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.targets import Catalog, KindSupport, Target, Unhonoured, nothing
from trueup_stacks.kubernetes.access import emit_access_policy, emit_team
from trueup_stacks.kubernetes.admission import emit_policy, why_not
from trueup_stacks.kubernetes.alerting import emit_alert_route, refuse_alert_route
from trueup_stacks.kubernetes.backups import emit_backup_policy, omit_backup_policy, refuse_backup_policy
from trueup_stacks.kubernetes.dashboards import emit_dashboard, refuse_dashboard
from trueup_stacks.kubernetes.endpoint import emit_endpoint
from trueup_stacks.kubernetes.foundation import runs_pipelines
from trueup_stacks.kubernetes.gateway import emit_gateway, refuse_gateway
from trueup_stacks.kubernetes.model import emit_model, refuse_model
from trueup_stacks.kubernetes.monitoring import emit_monitor, refuse_monitor
from trueup_stacks.kubernetes.namespaces import emit_environment, refuse_environment
from trueup_stacks.kubernetes.pipeline import elsewhere, emit_pipeline, refuse_pipeline
from trueup_stacks.kubernetes.placement import NO_SHARES, has_share, places
from trueup_stacks.kubernetes.refusals import refuse_endpoint

_TRAINED_ELSEWHERE = "this target takes promoted versions only, and such documents are used where models are trained"
_BUCKETS_ELSEWHERE = "the cloud has the buckets, and an environment whose target is the cloud makes them"
_NO_FEATURES = "servers on a cluster do not read the feature store"
_HTTP_ONLY = "the model server answers over HTTP (`v2`) only, so that a GRPCRoute would lead nowhere"
_COMMANDS_ONLY = "only built-in steps and functions read it, and a pod runs commands"
_IN_THE_IMAGE = "it is in the image"
_WAITS = "with the runner `jobs` Kubernetes waits as it does between tries: 10 s, doubled each time"
_BY_CONTROLLER = "the Gateway API leaves it to the controller of the GatewayClass"
_ON_THE_CLUSTER = ("target", "cluster", "clusters", "registry", "feature_store", "runner", "secret_stores")
_OF_TRUEUP = (
    *(f"spec.{i.alias}" for name, i in EnvironmentSpec.model_fields.items() if name not in _ON_THE_CLUSTER),
    *("spec.secretStores[].prefix", "spec.secretStores[].path", "spec.secretStores[].identityEnv"),
    *(
        "spec.clusters[].context",
        "spec.clusters[].kubeconfig",
        "spec.clusters[].whenUnreachable",
        "spec.clusters[].lost",
    ),
    *("spec.featureStore.offline", "spec.featureStore.online"),
    *("spec.registry.server.egress[].name", "spec.featureStore.server.egress[].name"),
    *("spec.cluster.context", "spec.cluster.kubeconfig", "spec.runner.concurrency", "spec.runner.applyWait"),
)
"""What steers applies, and is no property of what is applied."""


def _jobs(catalog: Catalog) -> bool:
    return catalog.settings.runner.type == "jobs"


def _in_a_row(catalog: Catalog) -> bool:
    return catalog.settings.runner.type in ("jobs", "ray")


_PIPELINES = (
    *(
        Unhonoured(path, reason, harmless, runs_pipelines)
        for path, reason, harmless in (
            ("spec.steps[].uses", "tables and code of the workspace are not on the cluster; write `run`", False),
            ("spec.steps[].with", _COMMANDS_ONLY, False),
            ("spec.seed", _COMMANDS_ONLY, False),
            ("spec.triggers[].onData", "nothing on the cluster watches data", False),
            ("spec.triggers[].onCode", "another image is a changed pipeline, and starts no run", True),
            ("spec.code", _IN_THE_IMAGE, True),
            ("spec.lockfile", _IN_THE_IMAGE, True),
            ("spec.onUpstreamChange", "nothing on the cluster watches what is upstream", False),
            ("spec.steps[].cache", "each run runs every step", True),
        )
    ),
    *(
        Unhonoured(path, reason, harmless, _jobs)
        for path, reason, harmless in (
            ("spec.steps[].metrics", "with the runner `jobs` nothing on the cluster reads what a step reports", False),
            ("spec.steps[].retry.backoff", _WAITS, True),
            ("spec.steps[].retry.factor", _WAITS, True),
            ("spec.steps[].retry.maxBackoff", _WAITS, True),
        )
    ),
    Unhonoured(
        "spec.steps[].when",
        "with the runners `jobs` and `ray` the steps run one after the other, whatever came before",
        where=_in_a_row,
    ),
)
"""What pods of runs do not do. The runners `argo` and `ray` do some of what `jobs` does not."""

KUBERNETES = Target(
    "kubernetes",
    {
        "Environment": KindSupport(
            emit_environment,
            (Unhonoured("spec.clusters[].weight", NO_SHARES, where=has_share),),
            no_resource=_OF_TRUEUP,
            refuse=refuse_environment,
        ),
        "Team": KindSupport(emit_team, no_resource=("spec.members[].signingKeys", "spec.contact")),
        "AccessPolicy": KindSupport(
            emit_access_policy, no_resource=("spec.requireSignature", "spec.forgeKeys", "spec.message")
        ),
        "Policy": KindSupport(emit_policy, no_resource=("spec.examples",), omits=why_not),
        "ObjectStore": KindSupport(nothing, elsewhere=_BUCKETS_ELSEWHERE),
        **dict.fromkeys(
            ("DataSource", "Dataset", "Entity", "FeatureView", "FeatureService", "QualityGate"),
            KindSupport(nothing, elsewhere=_TRAINED_ELSEWHERE),
        ),
        "Pipeline": KindSupport(
            emit_pipeline,
            _PIPELINES,
            no_resource=("spec.params.*.type", "spec.params.*.description", "spec.steps[].outputs.*.type"),
            refuse=refuse_pipeline,
            omits=elsewhere,
        ),
        "Model": KindSupport(
            emit_model,
            no_resource=(
                *("spec.pipeline", "spec.task", "spec.flavor", "spec.label", "spec.positiveClass", "spec.signature"),
                *("spec.params", "spec.gates", "spec.intendedUse", "spec.riskClass", "spec.description"),
                *("spec.retention", "spec.promotion.live"),
            ),
            unhonoured=(
                Unhonoured("spec.source", "a model that no environment trains has no registered version"),
                Unhonoured("spec.features", _NO_FEATURES),
            ),
            refuse=refuse_model,
            once=True,
        ),
        "Endpoint": KindSupport(
            emit_endpoint,
            (Unhonoured("spec.features", _NO_FEATURES), Unhonoured("spec.predictor.protocol", _HTTP_ONLY)),
            no_resource=("spec.placement.failback",),
            refuse=refuse_endpoint,
        ),
        "Gateway": KindSupport(
            emit_gateway,
            (
                Unhonoured("spec.listeners[].address", "the cluster gives a gateway its address"),
                Unhonoured("spec.healthCheck", "the readiness probes of the servers say who gets requests"),
                Unhonoured("spec.retries", _BY_CONTROLLER),
                Unhonoured("spec.routes[].retries", _BY_CONTROLLER),
                Unhonoured("spec.accessLog", _BY_CONTROLLER),
            ),
            refuse=refuse_gateway,
        ),
        "Monitor": KindSupport(
            emit_monitor, no_resource=("spec.metrics", "spec.exporters[].metrics"), refuse=refuse_monitor
        ),
        "AlertRoute": KindSupport(emit_alert_route, refuse=refuse_alert_route),
        "Dashboard": KindSupport(emit_dashboard, refuse=refuse_dashboard),
        "BackupPolicy": KindSupport(emit_backup_policy, refuse=refuse_backup_policy, omits=omit_backup_policy),
    },
    places,
)
"""Kinds in the order of compilation."""
