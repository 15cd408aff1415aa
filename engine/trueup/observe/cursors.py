"""Asks databases whether their data changed: the cursor of each data source that has one. Called by the workspace before an apply.

An offline plan never does: it needs no credentials, and takes what the ledger records. Reads only; a value becomes the fingerprint
of the source, so that new data shows as a change of its table and of what is triggered by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from trueup.resolve.catalog import Catalog
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key
from trueup_specs.kinds.data_source.spec import DataSourceSpec
from trueup_stacks.core.resources import Secret
from trueup_stacks.core.targets import env_value

CURSOR = "cursor:"
LONGEST = 64
"""Characters of a value that a fingerprint shows as it is; of longer ones it shows the digest."""
PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """Fingerprints by data source, and a warning for each that could not be asked."""

    fingerprints: Mapping[Key, str] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()


def ask(catalog: Catalog, secret: Callable[[Secret], str]) -> Asked:
    """The cursors of an environment that loads data, several at once."""
    documents = (
        [d for d in catalog.of_kind("DataSource") if _has_cursor(d)] if catalog.settings.target == "local" else []
    )
    if not documents:
        return Asked()
    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="cursor") as pool:
        found = list(pool.map(lambda d: _one(d, secret), documents))
    return Asked(
        {d.key: f for d, f in zip(documents, found, strict=True) if isinstance(f, str)},
        tuple(f for f in found if isinstance(f, Diagnostic)),
    )


def _has_cursor(document: Document) -> bool:
    spec = document.spec
    return isinstance(spec, DataSourceSpec) and spec.sql is not None and spec.sql.cursor is not None


def _one(document: Document, secret: Callable[[Secret], str]) -> str | Diagnostic:
    from trueup.apply.secrets import SecretError
    from trueup.provider import sources
    from trueup.provider.component import ComponentError

    assert isinstance(document.spec, DataSourceSpec) and document.spec.sql is not None
    given = env_value(document.spec.sql.connection)
    try:
        connection = secret(given) if isinstance(given, Secret) else given
        value = sources.cursor({"connection": connection, "cursor": document.spec.sql.cursor})
    except (ComponentError, SecretError) as error:
        return Diagnostic(
            "TRU2009",
            Severity.WARNING,
            f"{document.key} could not be asked whether its data changed, so the data that was loaded last stays.",
            Location(document.source.file),
            detail=str(error),
        )
    return CURSOR + (value if len(value) <= LONGEST else f"sha256:{hashlib.sha256(value.encode()).hexdigest()}")
