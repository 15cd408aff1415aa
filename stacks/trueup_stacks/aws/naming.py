"""Names and ownership tags in an AWS account: deterministic, so that an interrupted create is adopted and not doubled."""

from __future__ import annotations

import hashlib

from trueup_specs.core.envelope import Document
from trueup_stacks.core.targets import Catalog

BUCKET_NAME_LIMIT = 63
"""S3's limit of a bucket's name."""
_DIGEST = 8


def bucket_name(document: Document, catalog: Catalog) -> str:
    """`project-environment-namespace-name`; a renamed document keeps its former name, and with it the objects."""
    namespace, _, name = (document.metadata.moved_from or document.key.name).rpartition("/")
    return shortened("-".join((catalog.project, catalog.environment, namespace or document.key.namespace, name)))


def shortened(name: str) -> str:
    """The name in lower case; one that is too long is cut and gets a digest of the whole, so that two never become one."""
    plain = name.lower().replace("_", "-")
    if len(plain) <= BUCKET_NAME_LIMIT:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[:_DIGEST]
    return f"{plain[: BUCKET_NAME_LIMIT - _DIGEST - 1].rstrip('-.')}-{digest}"


def tags(document: Document, catalog: Catalog) -> dict[str, str]:
    """Whose it is: the document, its workspace and environment, its owner; then the document's own labels."""
    found = {
        "trueup:project": catalog.project,
        "trueup:environment": catalog.environment,
        "trueup:document": str(document.key),
    }
    if document.metadata.owner:
        found["trueup:owner"] = document.metadata.owner
    return {**document.metadata.labels, **found}
