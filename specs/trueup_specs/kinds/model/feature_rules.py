"""Rules of a Model that reads features (TRU1731, TRU1732). Listed by `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, examples, lookup
from trueup_specs.kinds.dataset.spec import DatasetSpec
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.model.training_rules import DATA, GOOD, PIPELINE, namespace_of, pipeline_of
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.run_rules import columns_of


class TimeUnknown(SpecRule[ModelSpec]):
    """A model with features must be trained on a dataset that says the time of each row."""

    code = "TRU1731"
    about = ("spec.features",)
    reason = "Features are joined as of that time; without it the join would look into the future."
    good = GOOD
    bad = examples(
        """
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, task: classification, label: churned, features: profile}
        #                                                                         ^
        ---
        kind: FeatureService
        metadata: {name: profile}
        spec: {features: [{view: customer}]}
        ---
        kind: FeatureView
        metadata: {name: customer}
        spec: {entities: [customer], dataset: history, timestampField: at, features: [{name: visits, type: int64}]}
        ---
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: age}
        ---
        kind: Dataset
        metadata: {name: history}
        spec:
          source: raw
          schema:
            properties:
              - {name: age, logicalType: string}
              - {name: at, logicalType: timestamp}
              - {name: visits, logicalType: integer}
        """,
        PIPELINE,
        DATA,
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index) if spec.features is not None else None
        if pipeline is None:
            return
        for position, key in ports.datasets(pipeline, namespace_of(spec, document)).items():
            step, dataset = pipeline.steps[position], index.get(key)
            if step.uses != "load" or dataset is None or step.with_.get("features") is False:
                continue
            assert isinstance(dataset.spec, DatasetSpec)
            if dataset.spec.timestamp is None:
                yield Finding(
                    ("spec", "features"),
                    f"The features cannot be joined to the rows of {key}, which does not say its `timestamp`.",
                    fix=f"Name the column with the time of each row in `timestamp` of {key}.",
                    related=((key, ("spec",), "The dataset."),),
                )


class JoinKeyUnknown(SpecRule[ModelSpec]):
    """A model with features must be trained on a dataset with the join keys of their entities."""

    code = "TRU1732"
    about = ("spec.features",)
    reason = "Without the keys no feature can be found for a row."
    good = GOOD
    bad = (
        TimeUnknown.bad.replace("{joinKey: age}", "{joinKey: customer}")
        .replace("- {name: age, logicalType: string}", "- {name: customer, logicalType: string}")
        .replace(
            "{name: churned, logicalType: boolean}]}}",
            "{name: churned, logicalType: boolean}, {name: day, logicalType: date}]}, timestamp: day}",
        )
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        pipeline = pipeline_of(spec, document, index) if spec.features is not None else None
        if pipeline is None or spec.features is None:
            return
        keys = join_keys(Key("FeatureService", *qualified(spec.features, document.key.namespace)), index)
        for position, dataset in ports.datasets(pipeline, namespace_of(spec, document)).items():
            step, columns = pipeline.steps[position], columns_of(dataset, index)
            if step.uses != "load" or columns is None or step.with_.get("features") is False:
                continue
            for key in sorted(keys - columns):
                yield Finding(
                    ("spec", "features"),
                    f"The features cannot be joined to the rows of {dataset}, which has no column {key!r}.",
                    fix=f"Add the join key {key!r} to the schema of {dataset}, or use features of another entity.",
                    related=((dataset, ("spec", "schema"), "The columns of the dataset."),),
                )


def join_keys(service: Key, index: Index) -> frozenset[str]:
    """The join keys of the entities of a feature service, as far as they are there."""
    from trueup_specs.kinds.entity.spec import EntitySpec
    from trueup_specs.kinds.feature_service.spec import FeatureServiceSpec
    from trueup_specs.kinds.feature_view.spec import FeatureViewSpec

    document = index.get(service)
    if document is None:
        return frozenset()
    assert isinstance(document.spec, FeatureServiceSpec)
    found: set[str] = set()
    for projection in document.spec.features:
        view = lookup(index, "FeatureView", projection.view, service.namespace)
        for text in view.spec.entities if view is not None and isinstance(view.spec, FeatureViewSpec) else ():
            assert view is not None
            entity = lookup(index, "Entity", text, view.key.namespace)
            if entity is not None and isinstance(entity.spec, EntitySpec):
                found.add(entity.spec.join_key)
    return frozenset(found)


RULES: tuple[type[Rule], ...] = (TimeUnknown, JoinKeyUnknown)
