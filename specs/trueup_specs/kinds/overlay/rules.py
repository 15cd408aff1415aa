"""Rules of `kind: Overlay` (TRU1150 to TRU1199). Whether the patched target is right is judged by `trueup.validate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path, dotted
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, repeated
from trueup_specs.kinds.envelope.reference_rules import absent
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.overlay.spec import OverlaySpec

_GOOD = """
    kind: Environment
    metadata: {name: prod}
    spec: {}
    ---
    kind: Entity
    metadata: {name: customer}
    spec: {joinKey: customer_id}
    ---
    kind: Overlay
    metadata: {name: customer-prod}
    spec: {target: {kind: Entity, name: customer}, environments: [prod], patch: {description: A customer.}}
    """


class TargetKind(SpecRule[OverlaySpec]):
    """The target of an overlay must be of a kind that becomes a resource of an environment."""

    code = "TRU1150"
    reason = "The other kinds configure the workspace and hold in every environment alike."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: Overlay
        metadata: {name: paused}
        spec: {target: {kind: Environment, name: prod}, environments: [prod], patch: {paused: true}}
        #                     ^
        """

    def find(self, spec: OverlaySpec, document: Document, index: Index) -> Iterator[Finding]:
        from trueup_specs.core.overlaying import OVERLAYABLE
        from trueup_specs.kinds import KINDS

        kind = spec.target.kind
        if kind in OVERLAYABLE:
            return
        if kind in KINDS:
            summary, fix = (
                f"{kind} documents have no overlays: they hold in every environment.",
                "Change the document itself.",
            )
            if kind == "Environment":
                fix = "Change the document itself; environments share fields by `extends`."
        else:
            summary, fix = f"There is no kind {kind!r}.", instead(kind, OVERLAYABLE)
        yield Finding(("spec", "target", "kind"), summary, fix=fix)


def target_of(spec: OverlaySpec, document: Document) -> Key:
    """The key of what an overlay changes."""
    return Key(spec.target.kind, spec.target.namespace or document.key.namespace, spec.target.name)


class TargetUnknown(SpecRule[OverlaySpec]):
    """The target of an overlay must be there."""

    code = "TRU1151"
    reason = "An overlay of nothing changes nothing, though its author thinks that it does."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer_id}
        ---
        kind: Overlay
        metadata: {name: customer-prod}
        spec: {target: {kind: Entity, name: custmer}, environments: [prod], patch: {description: A customer.}}
        #                                   ^
        """

    def find(self, spec: OverlaySpec, document: Document, index: Index) -> Iterator[Finding]:
        from trueup_specs.core.overlaying import OVERLAYABLE

        key = target_of(spec, document)
        if key.kind in OVERLAYABLE and not index.written(key):
            yield absent(("spec", "target", "name"), key, document.key.namespace, index)


class TargetElsewhere(SpecRule[OverlaySpec]):
    """The target of an overlay must exist in the overlay's environments."""

    code = "TRU1152"
    reason = "In an environment that lacks the target there is nothing to change."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: Entity
        metadata: {name: customer, environments: [dev]}
        spec: {joinKey: customer_id}
        ---
        kind: Overlay
        metadata: {name: customer-prod}
        spec: {target: {kind: Entity, name: customer}, environments: [prod], patch: {description: A customer.}}
        #                                                             ^
        """

    def find(self, spec: OverlaySpec, document: Document, index: Index) -> Iterator[Finding]:
        key = target_of(spec, document)
        target = index.get(key)
        within = target.metadata.environments if target is not None else None
        for position, environment in enumerate(spec.environments if within is not None else ()):
            if environment not in (within or ()):
                yield Finding(
                    ("spec", "environments", position),
                    f"{key} does not exist in {environment!r}.",
                    fix=f"Remove {environment!r} here, or add it to `metadata.environments` of {key}.",
                    related=((key, ("metadata", "environments"), "It is limited here."),),
                )


class EnvironmentTwice(SpecRule[OverlaySpec]):
    """An overlay must name each environment once."""

    code = "TRU1153"
    reason = "A repeated name is, as a rule, another environment that was meant."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer_id}
        ---
        kind: Overlay
        metadata: {name: customer-prod}
        spec: {target: {kind: Entity, name: customer}, environments: [prod, prod], patch: {description: A customer.}}
        #                                                                   ^
        """

    def find(self, spec: OverlaySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, name in repeated(spec.environments):
            yield Finding(
                ("spec", "environments", position),
                f"The environment {name!r} is listed twice.",
                fix="Remove one of them.",
            )


class PatchEmpty(SpecRule[OverlaySpec]):
    """A patch must change something."""

    code = "TRU1154"
    reason = "The overlay does nothing."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer_id}
        ---
        kind: Overlay
        metadata: {name: customer-prod}
        spec: {target: {kind: Entity, name: customer}, environments: [prod], patch: {}}
        #                                                                           ^
        """

    def find(self, spec: OverlaySpec, document: Document, index: Index) -> Iterator[Finding]:
        if not spec.patch:
            yield Finding(
                ("spec", "patch"), "The patch is empty.", fix="Write the fields that differ, or remove the overlay."
            )


_Set = dict[tuple[Key, str, Path], dict[Key, object]]


def _settings(index: Index) -> _Set:
    """For each target, environment and path of a scalar or list: what each overlay sets there."""
    found: _Set = {}
    for overlay in index.of_kind("Overlay"):
        assert isinstance(overlay.spec, OverlaySpec)
        target = target_of(overlay.spec, overlay)
        for path, value in _leaves(overlay.spec.patch, ()):
            for environment in overlay.spec.environments:
                found.setdefault((target, environment, path), {})[overlay.key] = value
    return found


def _leaves(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif not (isinstance(value, list) and value and all(isinstance(i, Mapping) and "name" in i for i in value)):
        yield path, value  # lists of named items merge, as maps do


class Contradiction(SpecRule[OverlaySpec]):
    """Two overlays of one document must not set the same field to different values in the same environment."""

    code = "TRU1155"
    reason = "Which one holds would depend on the order of their names."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer_id}
        ---
        kind: Overlay
        metadata: {name: one}
        spec: {target: {kind: Entity, name: customer}, environments: [prod], patch: {description: A customer.}}
        #                                                                                         ^
        ---
        kind: Overlay
        metadata: {name: two}
        spec: {target: {kind: Entity, name: customer}, environments: [prod], patch: {description: A client.}}
        #                                                                                         ^
        """

    def find(self, spec: OverlaySpec, document: Document, index: Index) -> Iterator[Finding]:
        known, target = derived(index, _settings), target_of(spec, document)
        for path, value in _leaves(spec.patch, ()):
            for environment in spec.environments:
                others = known.get((target, environment, path), {})
                other = next((k for k, v in others.items() if k != document.key and v != value), None)
                if other is not None:
                    yield Finding(
                        ("spec", "patch", *path),
                        f"{document.key} and {other} set `{dotted(path)}` of {target} to different values in {environment!r}.",
                        fix="Keep the field in one of them.",
                        related=((other, ("spec", "patch", *path), "The other one."),),
                    )
                    break


RULES: tuple[type[Rule], ...] = (
    TargetKind,
    TargetUnknown,
    TargetElsewhere,
    EnvironmentTwice,
    PatchEmpty,
    Contradiction,
)
