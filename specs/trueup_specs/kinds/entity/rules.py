"""Rules of `kind: Entity` (TRU1420 to TRU1439)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, repeated
from trueup_specs.kinds.entity.spec import EntitySpec

_COLUMN = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_GOOD = """
    kind: Entity
    metadata: {name: customer}
    spec: {joinKey: customer_id, tags: [people]}
    """


class JoinKeyMalformed(SpecRule[EntitySpec]):
    """`joinKey` must be a column name that SQL takes without quotes: letters, digits and `_`."""

    code = "TRU1420"
    reason = "The feature store writes it into SQL and into requests."
    good = _GOOD
    bad = """
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer id}
        #               ^
        """

    def find(self, spec: EntitySpec, document: Document, index: Index) -> Iterator[Finding]:
        if not _COLUMN.match(spec.join_key):
            yield Finding(
                ("spec", "joinKey"),
                f"{spec.join_key!r} cannot be a join key.",
                fix="Use letters, digits and `_`, not beginning with a digit; rename the column in the source's query if need be.",
            )


class TagTwice(SpecRule[EntitySpec]):
    """Each tag must stand once, and say something."""

    code = "TRU1421"
    severity = Severity.WARNING
    reason = "A repeated or empty tag was, as a rule, meant to be another."
    good = _GOOD
    bad = """
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer_id, tags: [people, people]}
        #                                           ^
        """

    def find(self, spec: EntitySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, tag in repeated(spec.tags):
            yield Finding(("spec", "tags", position), f"The tag {tag!r} stands twice.", fix="Remove one of them.")
        for position, tag in enumerate(spec.tags):
            if not tag.strip():
                yield Finding(("spec", "tags", position), "The tag is empty.", fix="Remove it.")


def _types(index: Index) -> dict[tuple[str, str], dict[str, Key]]:
    """For each namespace and join key: an entity of each value type."""
    found: dict[tuple[str, str], dict[str, Key]] = {}
    for entity in index.of_kind("Entity"):
        assert isinstance(entity.spec, EntitySpec)
        found.setdefault((entity.key.namespace, entity.spec.join_key), {}).setdefault(
            entity.spec.value_type, entity.key
        )
    return found


class JoinKeyTypes(SpecRule[EntitySpec]):
    """Entities of a namespace with the same join key must have the same type of values."""

    code = "TRU1422"
    reason = "Features of both could not be joined to one table."
    good = _GOOD
    bad = """
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer_id, valueType: string}
        #                                       ^
        ---
        kind: Entity
        metadata: {name: buyer}
        spec: {joinKey: customer_id, valueType: int64}
        #                                       ^
        """

    def find(self, spec: EntitySpec, document: Document, index: Index) -> Iterator[Finding]:
        types = derived(index, _types).get((document.key.namespace, spec.join_key), {})
        for other_type, other in types.items():
            if other_type != spec.value_type:
                yield Finding(
                    ("spec", "valueType"),
                    f"The join key {spec.join_key!r} is {spec.value_type} here and {other_type} in {other}.",
                    fix="Write the type that the column has in both.",
                    related=((other, ("spec", "joinKey"), "The other entity."),),
                )


RULES: tuple[type[Rule], ...] = (JoinKeyMalformed, TagTwice, JoinKeyTypes)
