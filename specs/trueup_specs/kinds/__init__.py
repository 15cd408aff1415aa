"""The kinds of the language. A kind is one folder and one line of `KINDS`."""

from __future__ import annotations

from trueup_specs.core.kinds import Kind, Layer
from trueup_specs.kinds.access_policy import rules as access_policy_rules
from trueup_specs.kinds.access_policy.spec import AccessPolicySpec
from trueup_specs.kinds.alert_route import rules as alert_route_rules
from trueup_specs.kinds.alert_route.spec import AlertRouteSpec
from trueup_specs.kinds.backup_policy import rules as backup_policy_rules
from trueup_specs.kinds.backup_policy.spec import BackupPolicySpec
from trueup_specs.kinds.dashboard import rules as dashboard_rules
from trueup_specs.kinds.dashboard.spec import DashboardSpec
from trueup_specs.kinds.data_source import rules as data_source_rules
from trueup_specs.kinds.data_source.spec import DataSourceSpec
from trueup_specs.kinds.dataset import rules as dataset_rules
from trueup_specs.kinds.dataset.spec import DatasetSpec
from trueup_specs.kinds.endpoint import rules as endpoint_rules
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.entity import rules as entity_rules
from trueup_specs.kinds.entity.spec import EntitySpec
from trueup_specs.kinds.envelope.reference_rules import REFERENCE_RULES
from trueup_specs.kinds.envelope.rules import METADATA_RULES
from trueup_specs.kinds.envelope.value_rules import PROCESS_RULES, SECRET_RULES
from trueup_specs.kinds.environment import rules as environment_rules
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_specs.kinds.feature_service import rules as feature_service_rules
from trueup_specs.kinds.feature_service.spec import FeatureServiceSpec
from trueup_specs.kinds.feature_view import rules as feature_view_rules
from trueup_specs.kinds.feature_view.spec import FeatureViewSpec
from trueup_specs.kinds.gateway import rules as gateway_rules
from trueup_specs.kinds.gateway.spec import GatewaySpec
from trueup_specs.kinds.model import rules as model_rules
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.monitor import rules as monitor_rules
from trueup_specs.kinds.monitor.spec import MonitorSpec
from trueup_specs.kinds.object_store import rules as object_store_rules
from trueup_specs.kinds.object_store.spec import ObjectStoreSpec
from trueup_specs.kinds.overlay import rules as overlay_rules
from trueup_specs.kinds.overlay.spec import OverlaySpec
from trueup_specs.kinds.pipeline import rules as pipeline_rules
from trueup_specs.kinds.pipeline.spec import PipelineSpec
from trueup_specs.kinds.policy import rules as policy_rules
from trueup_specs.kinds.policy.spec import PolicySpec
from trueup_specs.kinds.quality_gate import rules as quality_gate_rules
from trueup_specs.kinds.quality_gate.spec import QualityGateSpec
from trueup_specs.kinds.team import rules as team_rules
from trueup_specs.kinds.team.spec import TeamSpec
from trueup_specs.kinds.workspace import rules as workspace_rules
from trueup_specs.kinds.workspace.spec import WorkspaceSpec

_ALL = (*METADATA_RULES, *REFERENCE_RULES)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("Workspace", WorkspaceSpec, Layer.WORKSPACE, (*_ALL, *workspace_rules.RULES), namespaced=False),
        Kind(
            "Environment",
            EnvironmentSpec,
            Layer.WORKSPACE,
            (*_ALL, *PROCESS_RULES, *environment_rules.RULES),
            namespaced=False,
        ),
        Kind("Overlay", OverlaySpec, Layer.WORKSPACE, (*_ALL, *overlay_rules.RULES)),
        Kind("Team", TeamSpec, Layer.WORKSPACE, (*_ALL, *team_rules.RULES), namespaced=False),
        Kind("Policy", PolicySpec, Layer.WORKSPACE, (*_ALL, *policy_rules.RULES), namespaced=False),
        Kind("AccessPolicy", AccessPolicySpec, Layer.WORKSPACE, (*_ALL, *access_policy_rules.RULES), namespaced=False),
        Kind("ObjectStore", ObjectStoreSpec, Layer.FOUNDATION, (*_ALL, *object_store_rules.RULES), holds_data=True),
        Kind("BackupPolicy", BackupPolicySpec, Layer.FOUNDATION, (*_ALL, *backup_policy_rules.RULES)),
        Kind("DataSource", DataSourceSpec, Layer.DATA, (*_ALL, *SECRET_RULES, *data_source_rules.RULES)),
        Kind("Dataset", DatasetSpec, Layer.DATA, (*_ALL, *dataset_rules.RULES), holds_data=True),
        Kind("Entity", EntitySpec, Layer.DATA, (*_ALL, *entity_rules.RULES)),
        Kind("FeatureView", FeatureViewSpec, Layer.DATA, (*_ALL, *feature_view_rules.RULES)),
        Kind("FeatureService", FeatureServiceSpec, Layer.DATA, (*_ALL, *feature_service_rules.RULES)),
        Kind("Pipeline", PipelineSpec, Layer.MODEL, (*_ALL, *PROCESS_RULES, *pipeline_rules.RULES)),
        Kind("QualityGate", QualityGateSpec, Layer.MODEL, (*_ALL, *quality_gate_rules.RULES)),
        Kind("Model", ModelSpec, Layer.MODEL, (*_ALL, *model_rules.RULES), holds_data=True),
        Kind("Endpoint", EndpointSpec, Layer.SERVING, (*_ALL, *PROCESS_RULES, *endpoint_rules.RULES)),
        Kind("Gateway", GatewaySpec, Layer.SERVING, (*_ALL, *gateway_rules.RULES)),
        Kind("Monitor", MonitorSpec, Layer.SERVING, (*_ALL, *monitor_rules.RULES)),
        Kind("AlertRoute", AlertRouteSpec, Layer.SERVING, (*_ALL, *SECRET_RULES, *alert_route_rules.RULES)),
        Kind("Dashboard", DashboardSpec, Layer.SERVING, (*_ALL, *dashboard_rules.RULES)),
    )
}
"""Every kind by its name."""
