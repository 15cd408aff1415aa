"""The target `local`: everything on one machine, with real components and no server to install."""

from __future__ import annotations

from collections.abc import Iterable

from trueup_specs.core.envelope import Document
from trueup_stacks.core.resources import Resource
from trueup_stacks.core.targets import Catalog, Compiled, KindSupport, Target, Unhonoured
from trueup_stacks.local import data, model, serving


def _nothing(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """A kind that other kinds read and that becomes no resource of its own."""
    return ()


_ONE_MACHINE = "one machine runs a fixed number of servers; scaling needs a cluster"
_NO_CONTAINERS = "processes run on this machine, not in containers"
_FOLDER = "a folder of this machine has no such setting"

LOCAL = Target(
    "local",
    {
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
        "DataSource": KindSupport(_nothing),
        "Dataset": KindSupport(data.emit_table),
        "Entity": KindSupport(data.emit_entity),
        "FeatureView": KindSupport(data.emit_feature_view),
        "FeatureService": KindSupport(data.emit_feature_service),
        "Pipeline": KindSupport(_nothing, (Unhonoured("spec.image", _NO_CONTAINERS),)),
        "QualityGate": KindSupport(_nothing),
        "Model": KindSupport(
            model.emit_model,
            (
                Unhonoured(
                    "spec.source", "a model that is not trained here has no run to register it yet; use a pipeline"
                ),
            ),
            no_resource=("spec.promotion.soak", "spec.retention"),
        ),
        "Endpoint": KindSupport(
            serving.emit_endpoint,
            (
                Unhonoured("spec.predictor.maxReplicas", _ONE_MACHINE),
                Unhonoured("spec.predictor.scaleMetric", _ONE_MACHINE),
                Unhonoured("spec.predictor.scaleTarget", _ONE_MACHINE),
                Unhonoured("spec.predictor.image", _NO_CONTAINERS),
                Unhonoured("spec.rollout.maxSurge", "all replicas of the new version start beside the old ones"),
                Unhonoured("spec.rollout.maxUnavailable", "the old version answers until the new one is ready"),
            ),
        ),
        "Gateway": KindSupport(serving.emit_gateway),
    },
)
"""Kinds in the order of compilation."""
