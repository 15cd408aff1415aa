"""Models on the target `kubernetes`: versions that another environment trained, with their aliases in the registry."""

from __future__ import annotations

from collections.abc import Iterable

from trueup_specs.core.envelope import Document
from trueup_stacks.core.resources import Resource
from trueup_stacks.core.targets import Catalog, Compiled, Refusal
from trueup_stacks.local import model as native


def refuse_model(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """A pipeline on a cluster registers its models itself; which version it made, nothing tells an apply."""
    if native.trained_here(document, catalog.environment):
        yield Refusal(
            "spec.train.in",
            f"environment {catalog.environment!r} would train it, and an apply to this target starts no runs",
            "Put an environment of the target `local` first in spec.promotion.path, or name it in spec.train.in.",
        )


def emit_model(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The aliases of the promoted version, in the registry of the environment."""
    return native.emit_model(document, catalog, compiled)
