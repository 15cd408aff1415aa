"""The target `local`: everything on one machine, with real components and no server to install."""

from __future__ import annotations

from trueup_stacks.core.environments import without_cluster
from trueup_stacks.core.targets import KindSupport, Target, Unhonoured, nothing
from trueup_stacks.local import data, model, serving, training

_ONE_MACHINE = "one machine runs a fixed number of servers; scaling needs a cluster"
_PLAIN_HTTP = "the gateway of one machine listens to that machine, in plain HTTP, for every host"
_NO_CONTAINERS = "processes run on this machine, not in containers"
_ON_APPLY = "`trueup reconcile --watch` looks at the data at that time, and a run starts where its inputs changed; else, each apply does"
_NO_CONTROLLER = "nothing on this machine moves requests step by step; weights in a Gateway's routes do it by hand"
_FOLDER = "a folder of this machine has no such setting"

LOCAL = Target(
    "local",
    {
        "Environment": without_cluster(
            "one machine keeps no containers, and has a registry and a feature store without servers",
            (
                *("spec.target", "spec.registry.trackingUri", "spec.featureStore.offline", "spec.featureStore.online"),
                *("spec.runner.type", "spec.runner.concurrency", "spec.runner.applyWait", "spec.allowedEstimators"),
            ),
        ),
        "ObjectStore": KindSupport(
            data.emit_bucket,
            (
                Unhonoured("spec.bucket", "the folder's place follows from the document's name"),
                Unhonoured("spec.encryption", _FOLDER),
                Unhonoured("spec.lifecycle", _FOLDER),
                Unhonoured("spec.versioning", _FOLDER),
                Unhonoured("spec.blockPublicAccess", _FOLDER),
            ),
        ),
        "DataSource": KindSupport(
            nothing,
            no_resource=("spec.description",),
        ),
        "Dataset": KindSupport(
            data.emit_table, no_resource=("spec.schema.properties[].description", "spec.slaProperties")
        ),
        "Entity": KindSupport(data.emit_entity),
        "FeatureView": KindSupport(data.emit_feature_view),
        "FeatureService": KindSupport(data.emit_feature_service),
        "Pipeline": KindSupport(
            nothing,
            (
                Unhonoured("spec.image", _NO_CONTAINERS),
                Unhonoured("spec.triggers[].schedule", _ON_APPLY, harmless=True),
            ),
            no_resource=("spec.params.*.type", "spec.params.*.description", "spec.description"),
            refuse=training.refuse_pipeline,
        ),
        "QualityGate": KindSupport(nothing, no_resource=("spec.description",)),
        "Model": KindSupport(
            model.emit_model,
            (
                Unhonoured(
                    "spec.source",
                    "nothing registers models trained elsewhere: register it in MLflow as `NAMESPACE.NAME`, and pin `version` instead",
                ),
            ),
            # A gate names the model that it decides about, and that is what counts.
            no_resource=("spec.gates", "spec.retention", "spec.promotion.live"),
        ),
        "Endpoint": KindSupport(
            serving.emit_endpoint,
            (
                Unhonoured("spec.predictor.maxReplicas", _ONE_MACHINE),
                Unhonoured("spec.predictor.scaleMetric", _ONE_MACHINE),
                Unhonoured("spec.predictor.scaleTarget", _ONE_MACHINE),
                Unhonoured("spec.predictor.image", _NO_CONTAINERS),
                Unhonoured("spec.predictor.protocol", "the model server answers over HTTP (`v2`) only"),
                Unhonoured("spec.rollout.maxSurge", "all replicas of the new version start beside the old ones"),
                Unhonoured("spec.rollout.maxUnavailable", "the old version answers until the new one is ready"),
                Unhonoured(
                    "spec.rollout.progressDeadline", "a new version that does not get ready is given up by itself"
                ),
                Unhonoured("spec.serving", "a supervisor of Trueup runs the servers here"),
                Unhonoured("spec.rollout.steps", _NO_CONTROLLER),
                Unhonoured("spec.rollout.blueGreen", _NO_CONTROLLER),
                Unhonoured("spec.predictor.probes.startup", "the new version is waited for without a probe"),
                Unhonoured("spec.predictor.preStop", "the servers hand their ports over"),
                Unhonoured("spec.predictor.priorityClass", "one machine has no such classes"),
                Unhonoured("spec.placement", "there is one machine, and nothing to choose from"),
            ),
            no_resource=("spec.description",),
            refuse=serving.refuse_endpoint,
        ),
        "Gateway": KindSupport(
            serving.emit_gateway,
            tuple(Unhonoured(f"spec.listeners[].{name}", _PLAIN_HTTP) for name in ("protocol", "hostname", "tls")),
            no_resource=("spec.description",),
        ),
    },
    lacks={
        "BackupPolicy": "Velero, which makes the backups, runs on a Kubernetes cluster; back up the files of this machine as all of it"
    },
)
"""Kinds in the order of compilation."""
