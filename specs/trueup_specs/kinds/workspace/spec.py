"""`kind: Workspace`, the document in `trueup.yaml`: a folder of specs that belong together."""

from __future__ import annotations

from pydantic import Field

from trueup_specs.core.envelope import Items, Name, SpecModel


class WorkspaceSpec(SpecModel):
    """Which files of the folder are specs, and what holds for all of them."""

    include: Items[str] = ("**/*.yaml", "**/*.yml")
    """Globs of spec files, relative to the folder of `trueup.yaml` (gitignore patterns)."""
    exclude: Items[str] = ()
    """Globs of YAML files that are no specs."""
    default_namespace: Name = Field(default="default")
    """The namespace of documents that name none."""
