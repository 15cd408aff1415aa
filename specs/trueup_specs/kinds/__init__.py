"""The kinds of the language. A kind is one folder and one line of `KINDS`."""

from __future__ import annotations

from trueup_specs.core.kinds import Kind, Layer
from trueup_specs.kinds.data_source.spec import DataSourceSpec
from trueup_specs.kinds.dataset.spec import DatasetSpec
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.entity.spec import EntitySpec
from trueup_specs.kinds.envelope.rules import METADATA_RULES
from trueup_specs.kinds.envelope.value_rules import PROCESS_RULES, SECRET_RULES
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_specs.kinds.feature_service.spec import FeatureServiceSpec
from trueup_specs.kinds.feature_view.spec import FeatureViewSpec
from trueup_specs.kinds.gateway.spec import GatewaySpec
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.object_store.spec import ObjectStoreSpec
from trueup_specs.kinds.overlay.spec import OverlaySpec
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_specs.kinds.policy.spec import PolicySpec
from trueup_specs.kinds.quality_gate.spec import QualityGateSpec
from trueup_specs.kinds.team.spec import TeamSpec
from trueup_specs.kinds.workspace.spec import WorkspaceSpec

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("Workspace", WorkspaceSpec, Layer.WORKSPACE, METADATA_RULES, namespaced=False),
        Kind("Environment", EnvironmentSpec, Layer.WORKSPACE, METADATA_RULES, namespaced=False),
        Kind("Overlay", OverlaySpec, Layer.WORKSPACE, METADATA_RULES),
        Kind("Team", TeamSpec, Layer.WORKSPACE, METADATA_RULES, namespaced=False),
        Kind("Policy", PolicySpec, Layer.WORKSPACE, METADATA_RULES, namespaced=False),
        Kind("ObjectStore", ObjectStoreSpec, Layer.FOUNDATION, METADATA_RULES, holds_data=True),
        Kind("DataSource", DataSourceSpec, Layer.DATA, (*METADATA_RULES, *SECRET_RULES)),
        Kind("Dataset", DatasetSpec, Layer.DATA, METADATA_RULES, holds_data=True),
        Kind("Entity", EntitySpec, Layer.DATA, METADATA_RULES),
        Kind("FeatureView", FeatureViewSpec, Layer.DATA, METADATA_RULES),
        Kind("FeatureService", FeatureServiceSpec, Layer.DATA, METADATA_RULES),
        Kind("Pipeline", PipelineSpec, Layer.MODEL, (*METADATA_RULES, *PROCESS_RULES)),
        Kind("QualityGate", QualityGateSpec, Layer.MODEL, METADATA_RULES),
        Kind("Model", ModelSpec, Layer.MODEL, METADATA_RULES, holds_data=True),
        Kind("Endpoint", EndpointSpec, Layer.SERVING, (*METADATA_RULES, *PROCESS_RULES)),
        Kind("Gateway", GatewaySpec, Layer.SERVING, METADATA_RULES),
    )
}
"""Every kind by its name."""
