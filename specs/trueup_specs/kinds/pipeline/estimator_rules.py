"""Rules of the estimators that a Pipeline's steps import (TRU1620 to TRU1629)."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived
from trueup_specs.kinds.envelope.value_rules import environments_of
from trueup_specs.kinds.environment.extension import settings
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.pipeline.parts import StepRule
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step


def named(step: Step) -> Iterator[tuple[Path, str]]:
    """The classes that a built-in step imports, with their paths in the step."""
    if step.uses == "train" and isinstance(step.with_.get("estimator"), str):
        yield ("with", "estimator"), step.with_["estimator"]
    if step.uses != "transform" or not isinstance(step.with_.get("steps"), list):
        return
    for number, part in enumerate(step.with_["steps"]):
        uses = part.get("use") if isinstance(part, dict) else None
        for place, item in enumerate(uses if isinstance(uses, list) else ()):
            where = ("with", "steps", number, "use", place)
            if isinstance(item, str):
                yield where, item
            elif isinstance(item, dict) and isinstance(item.get("transformer"), str):
                yield (*where, "transformer"), item["transformer"]


def _trained_in(index: Index) -> dict[Key, set[str]]:
    """The environments that models train each pipeline in, where the models say so."""
    found: dict[Key, set[str]] = {}
    for model in index.of_kind("Model"):
        assert isinstance(model.spec, ModelSpec)
        spec = model.spec
        if spec.pipeline is not None:
            where = spec.train.in_ or (spec.promotion.path[0] if spec.promotion.path else "each")
            names = environments_of(model, index) if where == "each" else (where,)
            found.setdefault(Key("Pipeline", *qualified(spec.pipeline, model.key.namespace)), set()).update(names)
    return found


class EstimatorRefused(SpecRule[PipelineSpec]):
    """An estimator must be scikit-learn's, or allowed by each environment that trains with it."""

    code = "TRU1620"
    reason = "A spec could import anything otherwise; the environment's owners decide what may run there."
    good = """
        kind: Environment
        metadata: {name: dev}
        spec: {allowedEstimators: ["lightgbm.*"]}
        ---
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: fit, uses: train, with: {estimator: lightgbm.LGBMClassifier}, inputs: {train: fetch.rows}}
        """
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: fit, uses: train, with: {estimator: lightgbm.LGBMClassifier}, inputs: {train: fetch.rows}}
        #                                                ^
        """

    def find(self, spec: PipelineSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.steps):
            for path, name in named(step) if step.uses in ("train", "transform") else ():
                if name.startswith("sklearn.") or "${{" in name:
                    continue
                lacking = self._refusing(name, document, index)
                if lacking:
                    yield Finding(
                        ("spec", "steps", position, *path),
                        f"{name!r} is not scikit-learn's, and {' and '.join(map(repr, lacking))} does not allow it.",
                        fix=f"Add {name!r} to `allowedEstimators` of the environment, or use an estimator of scikit-learn.",
                    )

    def _refusing(self, name: str, document: Document, index: Index) -> list[str]:
        where = derived(index, _trained_in).get(document.key) or set(environments_of(document, index))
        found = []
        for environment in sorted(where):
            known = settings(environment, index)
            if known is not None and not any(fnmatchcase(name, pattern) for pattern in known.allowed_estimators):
                found.append(environment)
        return found


class EstimatorPrivate(StepRule):
    """An estimator of scikit-learn must be a public class, as `sklearn.module.Class`."""

    code = "TRU1621"
    about = ("with_",)
    reason = "Private modules change without notice, and a function or module is no estimator."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: fit, uses: train, with: {estimator: sklearn.svm.SVC}, inputs: {train: fetch.rows}}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fetch, run: ./fetch.sh, outputs: {rows: {type: table}}}
            - {name: fit, uses: train, with: {estimator: sklearn.linear_model}, inputs: {train: fetch.rows}}
        #                                                ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        for path, name in named(step) if step.uses in ("train", "transform") else ():
            parts = name.split(".")
            public = len(parts) > 2 and parts[-1][:1].isupper() and not any(p.startswith("_") for p in parts)
            if parts[0] == "sklearn" and not public:
                yield Finding(
                    path,
                    f"{name!r} is no public class of scikit-learn.",
                    fix="Write module and class, such as `sklearn.linear_model.LogisticRegression`.",
                )


RULES: tuple[type[Rule], ...] = (EstimatorRefused, EstimatorPrivate)
