"""Rules of `kind: FeatureView` (TRU1440 to TRU1489)."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, lookup, repeated
from trueup_specs.kinds.dataset.spec import DatasetSpec
from trueup_specs.kinds.entity.spec import EntitySpec
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.feature_view.spec import FeatureViewSpec

_FITTING = {
    "string": ("string",),
    "int64": ("integer",),
    "float64": ("number", "integer"),
    "bool": ("boolean",),
    "timestamp": ("timestamp", "date"),
}
"""The column types that a feature type holds without loss."""
_FEATURE_OF = {
    "string": "string",
    "integer": "int64",
    "number": "float64",
    "boolean": "bool",
    "timestamp": "timestamp",
    "date": "timestamp",
}
_KEYS = {"string": "string", "int64": "integer"}


def _example(view: str) -> str:
    return (
        """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec:
          source: raw
          schema:
            properties:
              - {name: customer_id, logicalType: string}
              - {name: seen_at, logicalType: timestamp}
              - {name: made_at, logicalType: timestamp}
              - {name: tenure, logicalType: integer}
        ---
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer_id}
        ---
        kind: FeatureView
        metadata: {name: contract}
"""
        + view
    )


_GOOD = _example("""        spec:
          entities: [customer]
          dataset: customers
          timestampField: seen_at
          features: [{name: tenure, type: int64}]""")


def _columns(spec: FeatureViewSpec, document: Document, index: Index) -> dict[str, str] | None:
    """The columns of the view's dataset with their types; None where the dataset is not there."""
    found = lookup(index, "Dataset", spec.dataset, document.key.namespace)
    if found is None:
        return None
    assert isinstance(found.spec, DatasetSpec)
    return {p.name: p.logical_type for p in found.spec.schema_.properties}


class FeatureUnknown(SpecRule[FeatureViewSpec]):
    """A feature must be a column of the dataset."""

    code = "TRU1440"
    reason = "There is nothing that its values could be taken from."
    good = _GOOD
    bad = _example("""        spec:
          entities: [customer]
          dataset: customers
          timestampField: seen_at
          features: [{name: tenur, type: int64}]
        #                   ^
        """)

    def find(self, spec: FeatureViewSpec, document: Document, index: Index) -> Iterator[Finding]:
        columns = _columns(spec, document, index)
        for position, feature in enumerate(spec.features if columns is not None else ()):
            if columns is not None and feature.name not in columns:
                yield Finding(
                    ("spec", "features", position, "name"),
                    f"The dataset {spec.dataset!r} has no column {feature.name!r}.",
                    fix=instead(feature.name, columns),
                )


class FeatureType(SpecRule[FeatureViewSpec]):
    """A feature's type must hold what the column holds."""

    code = "TRU1441"
    reason = "Values would be changed, or refused, when features are written and read."
    good = _GOOD
    bad = _example("""        spec:
          entities: [customer]
          dataset: customers
          timestampField: seen_at
          features: [{name: tenure, type: string}]
        #                                 ^
        """)

    def find(self, spec: FeatureViewSpec, document: Document, index: Index) -> Iterator[Finding]:
        columns = _columns(spec, document, index) or {}
        for position, feature in enumerate(spec.features):
            column = columns.get(feature.name)
            if column is not None and column not in _FITTING[feature.type]:
                yield Finding(
                    ("spec", "features", position, "type"),
                    f"The column {feature.name!r} is {column}, which {feature.type} does not hold.",
                    fix=f"Write `type: {_FEATURE_OF[column]}`.",
                )


class FeatureTwice(SpecRule[FeatureViewSpec]):
    """Each feature must stand once."""

    code = "TRU1442"
    reason = "The feature store tells features apart by their names."
    good = _GOOD
    bad = _example("""        spec:
          entities: [customer]
          dataset: customers
          timestampField: seen_at
          features: [{name: tenure, type: int64}, {name: tenure, type: float64}]
        #                                                ^
        """)

    def find(self, spec: FeatureViewSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, first, name in repeated(feature.name for feature in spec.features):
            yield Finding(
                ("spec", "features", position, "name"),
                f"The feature {name!r} stands twice.",
                fix="Remove one of the two.",
                related=((None, ("spec", "features", first), "The first one."),),
            )


class TimeUnknown(SpecRule[FeatureViewSpec]):
    """`timestampField` and `createdTimestampColumn` must be columns of type timestamp or date."""

    code = "TRU1443"
    reason = "Rows could not be joined as of a time, and a model would learn from the future."
    good = _GOOD
    bad = _example("""        spec:
          entities: [customer]
          dataset: customers
          timestampField: sen_at
        #                 ^
          features: [{name: tenure, type: int64}]""")

    def find(self, spec: FeatureViewSpec, document: Document, index: Index) -> Iterator[Finding]:
        columns = _columns(spec, document, index)
        named = (("timestampField", spec.timestamp_field), ("createdTimestampColumn", spec.created_timestamp_column))
        for field, name in named:
            if columns is None or name is None:
                continue
            if name not in columns:
                yield Finding(
                    ("spec", field), f"The dataset {spec.dataset!r} has no column {name!r}.", fix=instead(name, columns)
                )
            elif columns[name] not in ("timestamp", "date"):
                yield Finding(
                    ("spec", field),
                    f"The column {name!r} is {columns[name]} and holds no times.",
                    fix="Name a column of type timestamp or date.",
                )


class JoinKeyMissing(SpecRule[FeatureViewSpec]):
    """The dataset must have the join keys of the view's entities, in their type."""

    code = "TRU1444"
    reason = "No row could be found for an entity."
    good = _GOOD
    bad = (
        _example("""        spec:
          entities: [customer]
        #            ^
          dataset: customers
          timestampField: seen_at
          features: [{name: tenure, type: int64}]""")
    ).replace("joinKey: customer_id", "joinKey: buyer_id")

    def find(self, spec: FeatureViewSpec, document: Document, index: Index) -> Iterator[Finding]:
        columns = _columns(spec, document, index)
        for position, name in enumerate(spec.entities if columns is not None else ()):
            entity = lookup(index, "Entity", name, document.key.namespace)
            if entity is None or not isinstance(entity.spec, EntitySpec) or columns is None:
                continue
            key, wanted = entity.spec.join_key, _KEYS[entity.spec.value_type]
            if key in columns and columns[key] == wanted:
                continue
            has = f"has no column {key!r}" if key not in columns else f"has {key!r} as {columns[key]}, not {wanted}"
            yield Finding(
                ("spec", "entities", position),
                f"The dataset {spec.dataset!r} {has}, which is the join key of {entity.key}.",
                fix="Correct `joinKey` or `valueType` of the entity, or the dataset's columns.",
                related=((entity.key, ("spec", "joinKey"), "The join key."),),
            )


class EntityTwice(SpecRule[FeatureViewSpec]):
    """Each entity must stand once."""

    code = "TRU1445"
    reason = "A repeated name is, as a rule, another entity that was meant."
    good = _GOOD
    bad = _example("""        spec:
          entities: [customer, customer]
        #                      ^
          dataset: customers
          timestampField: seen_at
          features: [{name: tenure, type: int64}]""")

    def find(self, spec: FeatureViewSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, name in repeated(spec.entities):
            yield Finding(
                ("spec", "entities", position), f"The entity {name!r} is listed twice.", fix="Remove one of them."
            )


class FeatureReserved(SpecRule[FeatureViewSpec]):
    """A feature must not be a join key or the time of the row."""

    code = "TRU1446"
    reason = "These columns come with each row anyway, and the feature store refuses them as features."
    good = _GOOD
    bad = _example("""        spec:
          entities: [customer]
          dataset: customers
          timestampField: seen_at
          features: [{name: customer_id, type: string}]
        #                   ^
        """)

    def find(self, spec: FeatureViewSpec, document: Document, index: Index) -> Iterator[Finding]:
        taken = {spec.timestamp_field: "the time of each row"}
        if spec.created_timestamp_column is not None:
            taken[spec.created_timestamp_column] = "the time at which the row was made"
        for name in spec.entities:
            entity = lookup(index, "Entity", name, document.key.namespace)
            if entity is not None and isinstance(entity.spec, EntitySpec):
                taken[entity.spec.join_key] = f"the join key of {entity.key}"
        for position, feature in enumerate(spec.features):
            if feature.name in taken:
                yield Finding(
                    ("spec", "features", position, "name"),
                    f"{feature.name!r} is {taken[feature.name]} and cannot be a feature too.",
                    fix="Remove it from `features`.",
                )


class LifetimeZero(SpecRule[FeatureViewSpec]):
    """`ttl` must be more than nothing."""

    code = "TRU1447"
    reason = "The feature store takes a lifetime of nothing for one without end."
    good = _GOOD
    bad = _example("""        spec:
          entities: [customer]
          dataset: customers
          timestampField: seen_at
          ttl: 0s
        #      ^
          features: [{name: tenure, type: int64}]""")

    def find(self, spec: FeatureViewSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.ttl is not None and seconds(spec.ttl) <= 0:
            yield Finding(
                ("spec", "ttl"),
                "No row would be young enough.",
                fix="Write how old a row may be, or leave `ttl` out for any age.",
            )


RULES: tuple[type[Rule], ...] = (
    FeatureUnknown,
    FeatureType,
    FeatureTwice,
    TimeUnknown,
    JoinKeyMissing,
    EntityTwice,
    FeatureReserved,
    LifetimeZero,
)
