"""What a changed document means for what is downstream: breaking, non-breaking or metadata. Pure.

The idea is SQLMesh's change categorisation, over specs instead of SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from trueup.plan.differences import differences
from trueup.plan.values import ABSENT, Category, PropertyChange, SpecChange
from trueup.resolve.catalog import meaning_of
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Location
from trueup_specs.core.references import Key

_HARMLESS: Mapping[str, re.Pattern[str]] = {
    "Dataset": re.compile(
        r"quality|schema\.(strict|properties\[[^\]]*\]\.(quality|classification|personal|description|required|unique))"
    ),
    "Pipeline": re.compile(r"triggers|concurrencyPolicy|steps\[[^\]]*\]\.(timeout|retry|cache)"),
    "Model": re.compile(r"aliases|promotion|signature|intendedUse"),
    "Endpoint": re.compile(r"predictor|route|rollout|logging|placement\.(replicaWeights|failback)"),
    **dict.fromkeys(("Gateway", "Monitor", "AlertRoute", "Dashboard", "BackupPolicy"), re.compile(r".*")),
    "FeatureView": re.compile(r"online"),
    "ObjectStore": re.compile(r"lifecycle|versioning"),
    "Environment": re.compile(r".*"),
    "Team": re.compile(r".*"),
    "AccessPolicy": re.compile(r".*"),
    "Policy": re.compile(r".*"),
    "QualityGate": re.compile(r"resamples"),
}
"""Paths whose change leaves results downstream as they are."""

_ADDITIVE: Mapping[str, re.Pattern[str]] = {
    "Dataset": re.compile(r"schema\.properties(\[[^\]]*\]|\.order)$"),
    "FeatureView": re.compile(r"features(\[[^\]]*\]|\.order)$"),
    "FeatureService": re.compile(r"$^"),
}
"""Paths where an added item leaves what is there as it was."""


def spec_changes(before: Mapping[Key, Document], after: Mapping[Key, Document]) -> tuple[SpecChange, ...]:
    """Every document that differs, in the order of keys; a rename shows once."""
    renamed = _renames(before, after)
    found = []
    for key in sorted({*before, *after}):
        if key in renamed.values() and key not in after:
            continue
        old = before.get(key) or before.get(renamed.get(key, key))
        change = _change(key, old, after.get(key), renamed.get(key))
        if change is not None:
            found.append(change)
    return tuple(found)


def _renames(before: Mapping[Key, Document], after: Mapping[Key, Document]) -> dict[Key, Key]:
    found = {}
    for key, document in after.items():
        if key in before or not document.metadata.moved_from:
            continue
        namespace, _, name = document.metadata.moved_from.rpartition("/")
        former = Key(key.kind, namespace or key.namespace, name)
        if former in before:
            found[key] = former
    return found


def _change(key: Key, old: Document | None, new: Document | None, former: Key | None) -> SpecChange | None:
    if new is None:
        assert old is not None
        return SpecChange(str(key), "removed", Category.BREAKING, location=Location(old.source.file))
    location = Location(new.source.file)
    if old is None:
        return SpecChange(str(key), "added", Category.NON_BREAKING, location=location)
    if former is None and old.metadata == new.metadata and old.spec == new.spec:
        return None
    changes = _differences(old, new)
    if former is not None:
        return SpecChange(str(key), "renamed", _category(key.kind, changes), _paths(changes), f"was {former}", location)
    if changes or old.metadata != new.metadata or old.spec != new.spec:
        return SpecChange(
            str(key), "changed", _category(key.kind, changes), _paths(changes, old, new), location=location
        )
    return None


def _differences(old: Document, new: Document) -> tuple[PropertyChange, ...]:
    before, after = meaning_of(old), meaning_of(new)
    assert isinstance(before, Mapping) and isinstance(after, Mapping)
    return differences(before, after)


def _category(kind: str, changes: tuple[PropertyChange, ...]) -> Category:
    if not changes:
        return Category.METADATA
    harmless, additive = _HARMLESS.get(kind), _ADDITIVE.get(kind)
    for change in changes:
        if harmless and harmless.match(change.path):
            continue
        if additive and additive.match(change.path) and (change.recorded == ABSENT or change.path.endswith(".order")):
            continue
        return Category.BREAKING
    return Category.NON_BREAKING


def _paths(
    changes: tuple[PropertyChange, ...], old: Document | None = None, new: Document | None = None
) -> tuple[str, ...]:
    paths = [f"spec.{c.path}" for c in changes]
    if old is not None and new is not None and old.metadata != new.metadata:
        before = old.metadata.model_dump(by_alias=True, mode="json")
        after = new.metadata.model_dump(by_alias=True, mode="json")
        paths += [f"metadata.{c.path}" for c in differences(before, after)]
    return tuple(paths)
