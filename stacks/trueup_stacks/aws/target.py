"""The target `aws`: object stores in S3. Other kinds are refused at plan until this target has them."""

from __future__ import annotations

from trueup_stacks.aws.object_store import emit_object_store, refuse_object_store
from trueup_stacks.core.targets import KindSupport, Target

AWS = Target(
    "aws",
    {
        "ObjectStore": KindSupport(emit_object_store, no_resource=("spec.description",), refuse=refuse_object_store),
    },
)
