"""An `ObjectStore` on the target `aws`: a bucket of S3, and a resource for each of its settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.object_store.spec import LifecycleRule, ObjectStoreSpec
from trueup_stacks.aws import naming, tokens
from trueup_stacks.core.resources import Options, Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal, address_of
from trueup_stacks.local.naming import former

_LAYER = "foundation"
_IDENTITY = frozenset({"bucket", "region"})
"""What S3 cannot change of a bucket, nor of which bucket a setting is for."""


def refuse_object_store(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """A bucket needs a region, and a rule must say what it does."""
    spec = document.spec
    assert isinstance(spec, ObjectStoreSpec)
    if catalog.settings.cloud is None:
        yield Refusal(
            "Environment.spec.cloud",
            f"a bucket needs a region and the environment {catalog.environment!r} names none",
            "Write `cloud: {region: …}` in the Environment.",
        )
    if document.metadata.labels and (bad := [k for k in document.metadata.labels if k.startswith(("aws:", "trueup:"))]):
        yield Refusal(
            "metadata.labels", f"tags must not begin with {bad[0].split(':')[0]}:", f"Rename the label {bad[0]}."
        )


def emit_object_store(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The bucket and its settings."""
    spec = document.spec
    assert isinstance(spec, ObjectStoreSpec)
    assert catalog.settings.cloud is not None
    region = catalog.settings.cloud.region
    bucket = Resource(
        address_of(document, catalog, _LAYER, tokens.BUCKET),
        {
            "bucket": spec.bucket or naming.bucket_name(document, catalog),
            "region": region,
            "forceDestroy": spec.force_destroy,
            "tags": naming.tags(document, catalog),
        },
        document.key,
        options=_options(document, catalog, tokens.BUCKET, holds_data=True),
    )
    yield bucket
    for token, properties in _settings(spec).items():
        yield Resource(
            address_of(document, catalog, _LAYER, token),
            {"bucket": bucket.output("id"), "region": region, **properties},
            document.key,
            (bucket.address,),
            _options(document, catalog, token),
        )


def _options(document: Document, catalog: Catalog, token: str, *, holds_data: bool = False) -> Options:
    """Settings go and stay with their bucket: a retained bucket keeps them."""
    return Options(
        retain=(document.metadata.deletion_policy or "retain") == "retain",
        moved_from=former(document, catalog, _LAYER, token),
        immutable=_IDENTITY if holds_data else frozenset({"region"}),
        maybe_immutable=frozenset() if holds_data else frozenset({"bucket"}),
        metadata=frozenset({"tags"}),
        holds_data=holds_data,
    )


def _settings(spec: ObjectStoreSpec) -> dict[str, Mapping[str, Value]]:
    """The properties of each setting's resource, by its token."""
    block = spec.block_public_access
    default: dict[str, Value] = {"sseAlgorithm": spec.encryption.algorithm}
    if spec.encryption.key is not None:
        default["kmsMasterKeyId"] = spec.encryption.key
    found: dict[str, Mapping[str, Value]] = {
        tokens.VERSIONING: {"versioningConfiguration": {"status": "Enabled" if spec.versioning else "Suspended"}},
        tokens.ENCRYPTION: {
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": default,
                    "bucketKeyEnabled": spec.encryption.algorithm == "aws:kms",
                }
            ]
        },
        tokens.PUBLIC_ACCESS: {
            "blockPublicAcls": block,
            "blockPublicPolicy": block,
            "ignorePublicAcls": block,
            "restrictPublicBuckets": block,
        },
    }
    if spec.lifecycle:
        found[tokens.LIFECYCLE] = {"rules": [_rule(rule) for rule in spec.lifecycle]}
    return found


def _rule(rule: LifecycleRule) -> dict[str, Value]:
    made: dict[str, Value] = {"id": rule.name, "status": "Enabled", "filter": {"prefix": rule.prefix}}
    if rule.expire_days is not None:
        made["expiration"] = {"days": rule.expire_days}
    if rule.noncurrent_expire_days is not None:
        made["noncurrentVersionExpiration"] = {"noncurrentDays": rule.noncurrent_expire_days}
    if rule.abort_incomplete_uploads_days is not None:
        made["abortIncompleteMultipartUpload"] = {"daysAfterInitiation": rule.abort_incomplete_uploads_days}
    if rule.transitions:
        made["transitions"] = [{"days": t.days, "storageClass": t.storage_class} for t in rule.transitions]
    return made
