"""The target `aws`: object stores in S3. Other kinds are refused at plan until this target has them."""

from __future__ import annotations

from trueup_stacks.aws.object_store import emit_object_store, refuse_object_store
from trueup_stacks.core.environments import without_cluster
from trueup_stacks.core.targets import KindSupport, Target

AWS = Target(
    "aws",
    {
        "Environment": without_cluster(
            "this target makes object stores only; servers stand in an environment whose target is kubernetes",
            ("spec.target", "spec.cloud.region"),
        ),
        "ObjectStore": KindSupport(emit_object_store, no_resource=("spec.description",), refuse=refuse_object_store),
    },
    lacks={
        "BackupPolicy": "Velero, which makes the backups, runs on a Kubernetes cluster; an ObjectStore keeps its former versions itself"
    },
)
