"""The target `kubernetes`: endpoints on a cluster, of models that another environment trains. Other kinds are refused at plan."""

from __future__ import annotations

from trueup_stacks.core.targets import KindSupport, Target, Unhonoured, nothing
from trueup_stacks.kubernetes.endpoint import emit_endpoint
from trueup_stacks.kubernetes.model import emit_model, refuse_model
from trueup_stacks.kubernetes.refusals import refuse_endpoint

_TRAINED_ELSEWHERE = "they are used where models are trained, and this target takes promoted versions only"
_NO_GATEWAY = "the target has no gateway yet; requests reach the Service of the endpoint inside the cluster"

KUBERNETES = Target(
    "kubernetes",
    {
        "DataSource": KindSupport(nothing, elsewhere=_TRAINED_ELSEWHERE),
        "Dataset": KindSupport(nothing, elsewhere=_TRAINED_ELSEWHERE),
        "Pipeline": KindSupport(nothing, elsewhere=_TRAINED_ELSEWHERE),
        "QualityGate": KindSupport(nothing, elsewhere=_TRAINED_ELSEWHERE),
        "Model": KindSupport(
            emit_model,
            no_resource=(
                *("spec.pipeline", "spec.task", "spec.flavor", "spec.label", "spec.positiveClass", "spec.signature"),
                *("spec.params", "spec.gates", "spec.intendedUse", "spec.riskClass", "spec.description"),
                *("spec.retention",),
            ),
            unhonoured=(
                Unhonoured("spec.source", "a model that no environment trains has no registered version yet"),
                Unhonoured("spec.features", "servers on a cluster cannot read the feature store yet"),
            ),
            refuse=refuse_model,
        ),
        "Endpoint": KindSupport(
            emit_endpoint,
            (
                Unhonoured("spec.predictor.timeout", _NO_GATEWAY),
                Unhonoured("spec.features", "servers on a cluster cannot read the feature store yet"),
                Unhonoured("spec.route", _NO_GATEWAY),
                Unhonoured("spec.logging", "the model server on a cluster keeps no requests yet"),
            ),
            refuse=refuse_endpoint,
        ),
    },
)
"""Kinds in the order of compilation."""
