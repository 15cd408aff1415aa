"""Rules of `kind: Workspace` (TRU1050 to TRU1059)."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.envelope.paths import outside
from trueup_specs.kinds.workspace.spec import WorkspaceSpec


class GlobOutside(SpecRule[WorkspaceSpec]):
    """`include` and `exclude` must stay inside the workspace's folder."""

    code = "TRU1050"
    reason = "Files outside are part of no revision of the workspace, so nobody could review or repeat them."
    good = """
        kind: Workspace
        metadata: {name: shop}
        spec: {include: ["specs/**/*.yaml"]}
        """
    bad = """
        kind: Workspace
        metadata: {name: shop}
        spec: {include: ["../specs/**/*.yaml"]}
        #                ^
        """

    def find(self, spec: WorkspaceSpec, document: Document, index: Index) -> Iterator[Finding]:
        for field in ("include", "exclude"):
            for position, glob in enumerate(getattr(spec, field)):
                if outside(glob.removeprefix("!").removeprefix("/")):
                    yield Finding(
                        ("spec", field, position),
                        f"The glob {glob!r} leaves the folder of `trueup.yaml`.",
                        fix="Write it relative to that folder, with forward slashes and without `..`.",
                    )


class NothingIncluded(SpecRule[WorkspaceSpec]):
    """`include` must name something."""

    code = "TRU1051"
    reason = "A workspace without specs would plan the removal of everything."
    good = GlobOutside.good
    bad = """
        kind: Workspace
        metadata: {name: shop}
        spec: {include: []}
        #               ^
        """

    def find(self, spec: WorkspaceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if not spec.include or all(not glob.strip() for glob in spec.include):
            yield Finding(
                ("spec", "include"),
                "The workspace includes no file.",
                fix="Leave `include` out for all YAML files, or name some.",
            )


class IncludedAndExcluded(SpecRule[WorkspaceSpec]):
    """A glob must not stand in both `include` and `exclude`."""

    code = "TRU1052"
    reason = "What is excluded is not read, so including it does nothing."
    good = GlobOutside.good
    bad = """
        kind: Workspace
        metadata: {name: shop}
        spec: {include: ["specs/*.yaml"], exclude: ["specs/*.yaml"]}
        #                                           ^
        """

    def find(self, spec: WorkspaceSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, glob in enumerate(spec.exclude):
            if glob in spec.include:
                yield Finding(
                    ("spec", "exclude", position),
                    f"The glob {glob!r} is both included and excluded.",
                    fix="Remove one of the two.",
                )


RULES: tuple[type[Rule], ...] = (GlobOutside, NothingIncluded, IncludedAndExcluded)
