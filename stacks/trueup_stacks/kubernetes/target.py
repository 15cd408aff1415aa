"""The target `kubernetes`: endpoints and gateways on a cluster, and the namespaces that they stand in."""

from __future__ import annotations

from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.targets import KindSupport, Target, Unhonoured, nothing
from trueup_stacks.kubernetes.access import emit_access_policy, emit_team
from trueup_stacks.kubernetes.admission import emit_policy, why_not
from trueup_stacks.kubernetes.endpoint import emit_endpoint
from trueup_stacks.kubernetes.gateway import emit_gateway, refuse_gateway
from trueup_stacks.kubernetes.model import emit_model, refuse_model
from trueup_stacks.kubernetes.namespaces import emit_environment
from trueup_stacks.kubernetes.refusals import refuse_endpoint

_TRAINED_ELSEWHERE = "they are used where models are trained, and this target takes promoted versions only"
_NO_FEATURES = "servers on a cluster cannot read the feature store yet"
_BY_CONTROLLER = "the Gateway API leaves it to the controller of the GatewayClass"
_ON_THE_CLUSTER = ("target", "cluster", "registry")
_OF_TRUEUP = (
    *(f"spec.{i.alias}" for name, i in EnvironmentSpec.model_fields.items() if name not in _ON_THE_CLUSTER),
    *("spec.cluster.context", "spec.cluster.kubeconfig"),
)
"""What steers applies, and is no property of what is applied."""

KUBERNETES = Target(
    "kubernetes",
    {
        "Environment": KindSupport(emit_environment, no_resource=_OF_TRUEUP),
        "Team": KindSupport(emit_team, no_resource=("spec.members[].signingKeys", "spec.contact")),
        "AccessPolicy": KindSupport(
            emit_access_policy, no_resource=("spec.requireSignature", "spec.forgeKeys", "spec.message")
        ),
        "Policy": KindSupport(emit_policy, no_resource=("spec.examples",), omits=why_not),
        **dict.fromkeys(
            ("DataSource", "Dataset", "Entity", "FeatureView", "FeatureService", "Pipeline", "QualityGate"),
            KindSupport(nothing, elsewhere=_TRAINED_ELSEWHERE),
        ),
        "Model": KindSupport(
            emit_model,
            no_resource=(
                *("spec.pipeline", "spec.task", "spec.flavor", "spec.label", "spec.positiveClass", "spec.signature"),
                *("spec.params", "spec.gates", "spec.intendedUse", "spec.riskClass", "spec.description"),
                *("spec.retention",),
            ),
            unhonoured=(
                Unhonoured("spec.source", "a model that no environment trains has no registered version yet"),
                Unhonoured("spec.features", _NO_FEATURES),
            ),
            refuse=refuse_model,
        ),
        "Endpoint": KindSupport(
            emit_endpoint,
            (Unhonoured("spec.features", _NO_FEATURES),),
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
    },
)
"""Kinds in the order of compilation."""
