"""What an Environment's fields are on a target that is no cluster: Trueup itself acts on most. Called by the targets' tables."""

from __future__ import annotations

from collections.abc import Callable, Collection

from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.targets import Catalog, KindSupport, Unhonoured, nothing


def without_cluster(reason: str, honoured: Collection[str]) -> KindSupport:
    """The kind's support. `reason` is why nothing of a cluster is there; `honoured` are the dotted fields that other kinds' resources have.

    Only what this environment itself has is refused: others stand in the same repository.
    """
    return KindSupport(
        nothing,
        (
            Unhonoured("spec.registry.server", reason, where=_has(lambda s: s.registry.server)),
            Unhonoured("spec.featureStore.server", reason, where=_has(lambda s: s.feature_store.server)),
            Unhonoured("spec.cluster", reason, harmless=True, where=_has(lambda s: s.cluster)),
            Unhonoured("spec.clusters", reason, harmless=True, where=_has(lambda s: s.clusters or None)),
        ),
        no_resource=tuple(path for path in _fields() if path not in honoured),
    )


def _has(field: Callable[[EnvironmentSpec], object]) -> Callable[[Catalog], bool]:
    return lambda catalog: field(catalog.settings) is not None


def _fields() -> list[str]:
    """Every field, and one level more of those that some target honours in part."""
    parts = {"registry", "feature_store", "runner", "cloud"}
    found = []
    for name, info in EnvironmentSpec.model_fields.items():
        path = f"spec.{info.alias}"
        found += [path] if name not in parts else [f"{path}.{field}" for field in _within(name)]
    return found


def _within(name: str) -> list[str]:
    from typing import get_args, get_type_hints

    hint = get_type_hints(EnvironmentSpec)[name]
    model = next((m for m in (hint, *get_args(hint)) if hasattr(m, "model_fields")), None)
    assert model is not None
    return [info.alias or field for field, info in model.model_fields.items()]
