"""Rules of `kind: FeatureService` (TRU1490 to TRU1519)."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, examples, lookup, repeated
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.feature_service.spec import FeatureServiceSpec, Projection
from trueup_specs.kinds.feature_view.spec import FeatureViewSpec

_VIEWS = """
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
          - {name: tenure, logicalType: integer}
    ---
    kind: Entity
    metadata: {name: customer}
    spec: {joinKey: customer_id}
    ---
    kind: FeatureView
    metadata: {name: contract}
    spec: {entities: [customer], dataset: customers, timestampField: seen_at, features: [{name: tenure, type: int64}]}
    ---
    kind: FeatureView
    metadata: {name: usage}
    spec: {entities: [customer], dataset: customers, timestampField: seen_at, features: [{name: tenure, type: int64}]}
    """
_GOOD = examples(
    """
    kind: FeatureService
    metadata: {name: churn}
    spec: {features: [{view: contract, features: [tenure]}]}
    """,
    _VIEWS,
)


def _names(projection: Projection, document: Document, index: Index) -> list[str] | None:
    """The features of a projection's view; None where the view is not there."""
    view = lookup(index, "FeatureView", projection.view, document.key.namespace)
    return [f.name for f in view.spec.features] if view is not None and isinstance(view.spec, FeatureViewSpec) else None


class FeatureUnknown(SpecRule[FeatureServiceSpec]):
    """`features` must name features of the view."""

    code = "TRU1490"
    reason = "The model would be trained without it, or not at all."
    good = _GOOD
    bad = examples(
        """
        kind: FeatureService
        metadata: {name: churn}
        spec: {features: [{view: contract, features: [tenur]}]}
        #                                             ^
        """,
        _VIEWS,
    )

    def find(self, spec: FeatureServiceSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, projection in enumerate(spec.features):
            known = _names(projection, document, index)
            for number, name in enumerate(projection.features or ()):
                if known is not None and name not in known:
                    yield Finding(
                        ("spec", "features", position, "features", number),
                        f"The view {projection.view!r} has no feature {name!r}.",
                        fix=instead(name, known),
                    )


class FeaturesEmpty(SpecRule[FeatureServiceSpec]):
    """`features` must name at least one feature of the view, or be left out."""

    code = "TRU1491"
    reason = "An empty list takes nothing of the view; without the field all of it is taken."
    good = _GOOD
    bad = examples(
        """
        kind: FeatureService
        metadata: {name: churn}
        spec: {features: [{view: contract, features: []}]}
        #                                            ^
        """,
        _VIEWS,
    )

    def find(self, spec: FeatureServiceSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, projection in enumerate(spec.features):
            if projection.features is not None and not projection.features:
                yield Finding(
                    ("spec", "features", position, "features"),
                    f"Nothing is taken of the view {projection.view!r}.",
                    fix="Name features, or leave the list out for all of them.",
                )


class ViewTwice(SpecRule[FeatureServiceSpec]):
    """Each view must stand once, and each of its features too."""

    code = "TRU1492"
    reason = "The feature store refuses a service that takes one feature twice."
    good = _GOOD
    bad = examples(
        """
        kind: FeatureService
        metadata: {name: churn}
        spec: {features: [{view: contract}, {view: contract}]}
        #                                          ^
        """,
        _VIEWS,
    )

    def find(self, spec: FeatureServiceSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, name in repeated(projection.view for projection in spec.features):
            yield Finding(
                ("spec", "features", position, "view"),
                f"The view {name!r} stands twice.",
                fix="Make one entry of the two.",
            )
        for position, projection in enumerate(spec.features):
            for number, _, name in repeated(projection.features or ()):
                yield Finding(
                    ("spec", "features", position, "features", number),
                    f"The feature {name!r} stands twice.",
                    fix="Remove one of the two.",
                )


class NamesClash(SpecRule[FeatureServiceSpec]):
    """Features of different views must have different names."""

    code = "TRU1493"
    reason = "They become columns of one table, and a model could not tell which is which."
    good = _GOOD
    bad = examples(
        """
        kind: FeatureService
        metadata: {name: churn}
        spec: {features: [{view: contract}, {view: usage}]}
        #                                          ^
        """,
        _VIEWS,
    )

    def find(self, spec: FeatureServiceSpec, document: Document, index: Index) -> Iterator[Finding]:
        taken: dict[str, str] = {}
        for position, projection in enumerate(spec.features):
            names = projection.features if projection.features is not None else _names(projection, document, index)
            for number, name in enumerate(dict.fromkeys(names or ())):
                other = taken.setdefault(name, projection.view)
                if other != projection.view:
                    listed = projection.features is not None
                    yield Finding(
                        ("spec", "features", position, *(("features", number) if listed else ("view",))),
                        f"The views {other!r} and {projection.view!r} both have a feature {name!r}.",
                        fix="Take it of one of them, by naming the features of the other.",
                    )


RULES: tuple[type[Rule], ...] = (FeatureUnknown, FeaturesEmpty, ViewTwice, NamesClash)
