"""The rule of the columns that a Pipeline's steps name (TRU1601). Listed by `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, examples
from trueup_specs.core.values import noted
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.pipeline import ports
from trueup_specs.kinds.pipeline.run_rules import DATA, READS, columns_of, served
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step


def _features(index: Index) -> dict[Key, set[str] | None]:
    """The features that the models of each pipeline join to its rows; None where they cannot be told."""
    found: dict[Key, set[str] | None] = {}
    for model in index.of_kind("Model"):
        assert isinstance(model.spec, ModelSpec)
        if model.spec.pipeline is None or model.spec.features is None:
            continue
        key = Key("Pipeline", *qualified(model.spec.pipeline, model.key.namespace))
        names = served(Key("FeatureService", *qualified(model.spec.features, model.key.namespace)), index)
        before = found.get(key, set())
        found[key] = None if names is None or before is None else before | names
    return found


_COLUMN_FIELDS = {
    "load": ("columns",),
    "split": ("stratify", "timeColumn", "groupColumn"),
    "train": ("label", "features", "drop", "sampleWeight"),
    "transform": ("label", "drop"),
}


def _named(step: Step) -> tuple[tuple[Path, str], ...]:
    """The columns that a built-in step names, with their paths in its `with`."""
    found: list[tuple[Path, object]] = []
    for field in _COLUMN_FIELDS.get(step.uses or "", ()):
        value = step.with_.get(field)
        found += [((field, n), v) for n, v in enumerate(value)] if isinstance(value, list) else [((field,), value)]
    return tuple((path, text) for path, text in found if isinstance(text, str) and "${{" not in text)


class ColumnUnknown(SpecRule[PipelineSpec]):
    """Columns that built-in steps name must be in the schema of the dataset that they read."""

    code = "TRU1601"
    reason = "The step would fail on the first run, after the data was loaded."
    good = READS
    bad = examples(
        """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: rows, uses: load, with: {dataset: customers}}
            - {name: parts, uses: split, with: {stratify: churn}, inputs: {data: rows.data}}
        #                                                 ^
        """,
        DATA,
    )

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        named = [(p, step, texts) for p, step in enumerate(spec.steps) if (texts := noted(step, _named))]
        known = self._columns(spec, document, index) if named else None
        if known is None:
            return
        for position, step, texts in named:
            unknown = [(path, text) for path, text in texts if text not in known]
            if not unknown or not ports.reads_builtin_only(spec.steps, step):
                continue
            for path, text in unknown:
                yield Finding(
                    ("spec", "steps", position, "with", *path),
                    f"The rows that {step.name!r} is given have no column {text!r}.",
                    fix=instead(text, known),
                )

    def _columns(self, spec: PipelineSpec, document: Document, index: Index) -> frozenset[str] | None:
        """All columns that rows of the pipeline can have; None where they cannot be told."""
        features = derived(index, _features).get(document.key, set())
        keys = set(ports.datasets(spec, document.key.namespace).values())
        if features is None or not keys:
            return None
        found = [columns_of(key, index) for key in keys]
        return None if None in found else frozenset(features).union(*(c for c in found if c is not None))


RULES: tuple[type[Rule], ...] = (ColumnUnknown,)
