"""Rules of `kind: Model` about itself (TRU1700 to TRU1719): source, aliases, signature; those of its promotion are in `promotion_rules`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.envelope.paths import is_file, is_folder, outside, suggestion
from trueup_specs.kinds.model import feature_rules, promotion_rules, training_rules
from trueup_specs.kinds.model.spec import ModelSpec

_MLFLOW = re.compile(r"^(?:models:/[^/@]+(?:/[^/]+|@[^/]+)|runs:/[0-9a-f]{32}/.+)$")
_URL = re.compile(r"^[a-z][a-z0-9+.-]*:", re.I)
_RESERVED = re.compile(r"^(?:latest|v\d+)$")

_TRAINED = """
    kind: Environment
    metadata: {name: dev}
    spec: {}
    ---
    kind: Environment
    metadata: {name: prod}
    spec: {}
    ---
    kind: Model
    metadata: {name: churn}
    spec:
      source: {uri: "models:/churn/3"}
      task: classification
      promotion: {path: [dev, prod]}
      aliases: [{name: champion}, {name: challenger, version: 4}]
    """


class TwoOrigins(SpecRule[ModelSpec]):
    """A model must not have both `pipeline` and `source`."""

    code = "TRU1700"
    about = ("spec.source",)
    reason = "It would not be known whether it is trained here or taken from elsewhere."
    good = _TRAINED
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fit, run: ./fit.sh, outputs: {model: {type: model}}}
            - {name: keep, uses: register, inputs: {model: fit.model}}
        ---
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, source: {uri: "models:/churn/3"}, task: classification}
        #                         ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.pipeline is not None and spec.source is not None:
            yield Finding(
                ("spec", "source"),
                f"{document.key} is both trained by {spec.pipeline!r} and taken from {spec.source.uri!r}.",
                at_key=True,
                fix="Keep one of `pipeline` and `source`.",
            )


class SourceMalformed(SpecRule[ModelSpec]):
    """`source.uri` must be an MLflow model URI or a path of the workspace."""

    code = "TRU1701"
    about = ("spec.source",)
    reason = "Nothing else can be loaded as a model."
    good = _TRAINED
    bad = """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn"}, task: classification}
        #                    ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.source is None or _MLFLOW.match(spec.source.uri):
            return
        uri = spec.source.uri
        if _URL.match(uri):
            yield Finding(
                ("spec", "source", "uri"),
                f"{uri!r} is no MLflow model URI.",
                fix="Write `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `runs:/RUN_ID/PATH`, or a path of the workspace.",
            )
        elif outside(uri) or not (is_file(uri, index) or is_folder(uri, index)):
            yield Finding(
                ("spec", "source", "uri"),
                f"The repository has nothing at {uri!r} below the workspace.",
                fix=suggestion(uri, index),
            )


class NotTrained(SpecRule[ModelSpec]):
    """`train` and `params` say nothing for a model that no pipeline trains."""

    code = "TRU1706"
    reason = "They would be ignored, so what was meant does not happen."
    good = _TRAINED
    bad = """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: classification, params: {depth: 3}}
        #                                                              ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        for field in ("train", "params") if spec.pipeline is None else ():
            value = spec.train.in_ if field == "train" else spec.params
            if value:
                yield Finding(
                    ("spec", field),
                    f"No pipeline trains {document.key}, so `{field}` does nothing.",
                    at_key=True,
                    fix=f"Name a `pipeline`, or remove `{field}`.",
                )


class AliasTwice(SpecRule[ModelSpec]):
    """`aliases` must name each alias once."""

    code = "TRU1707"
    about = ("spec.aliases",)
    reason = "An alias means one version."
    good = _TRAINED
    bad = """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: classification, aliases: [{name: champion}, {name: champion, version: 2}]}
        #                                                                                                 ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, first, name in repeated(alias.name for alias in spec.aliases):
            yield Finding(
                ("spec", "aliases", position, "name"),
                f"The alias {name!r} stands twice.",
                fix="Remove one of them.",
                related=((None, ("spec", "aliases", first, "name"), "The first one."),),
            )


class AliasReserved(SpecRule[ModelSpec]):
    """An alias must not be `latest` or look like a version, such as `v2`."""

    code = "TRU1708"
    about = ("spec.aliases",)
    reason = "MLflow refuses these names."
    good = _TRAINED
    bad = """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: classification, aliases: [{name: latest}]}
        #                                                                               ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, alias in enumerate(spec.aliases):
            if _RESERVED.match(alias.name):
                yield Finding(
                    ("spec", "aliases", position, "name"),
                    f"MLflow keeps the alias {alias.name!r} for itself.",
                    fix="Choose another name, such as `champion`.",
                )


class SignatureFieldTwice(SpecRule[ModelSpec]):
    """`signature` must name each input and output once."""

    code = "TRU1711"
    about = ("spec.signature",)
    reason = "A column has one type."
    good = """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: regression, signature: {inputs: [{name: age, type: long}]}}
        """
    bad = """
        kind: Model
        metadata: {name: churn}
        spec:
          source: {uri: "models:/churn/3"}
          task: regression
          signature: {inputs: [{name: age, type: long}, {name: age, type: double}]}
        #                                                      ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        for field in ("inputs", "outputs") if spec.signature else ():
            for position, _, name in repeated(item.name for item in getattr(spec.signature, field)):
                yield Finding(
                    ("spec", "signature", field, position, "name"),
                    f"The column {name!r} stands twice in the signature's {field}.",
                    fix="Remove one of them.",
                )


class LabelAsInput(SpecRule[ModelSpec]):
    """The label must not be an input of the signature."""

    code = "TRU1712"
    about = ("spec.signature",)
    reason = "Who asks for a prediction does not know it; a model that is given it in training learns nothing else."
    good = SignatureFieldTwice.good
    bad = """
        kind: Model
        metadata: {name: churn}
        spec:
          source: {uri: "models:/churn/3"}
          task: regression
          label: age
          signature: {inputs: [{name: age, type: long}]}
        #                             ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, item in enumerate(spec.signature.inputs if spec.signature else ()):
            if item.name == spec.label:
                yield Finding(
                    ("spec", "signature", "inputs", position, "name"),
                    f"The label {spec.label!r} is an input of the signature.",
                    fix="Remove it from `inputs`.",
                )


class PositiveClassOfRegression(SpecRule[ModelSpec]):
    """`positiveClass` belongs to classification."""

    code = "TRU1713"
    about = ("spec.positive_class",)
    reason = "A regression has no classes."
    good = SignatureFieldTwice.good
    bad = """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: regression, label: age, positiveClass: old}
        #                                                                      ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.positive_class is not None and (spec.task != "classification" or spec.label is None):
            why = "a regression has no classes" if spec.task != "classification" else "the model has no `label`"
            yield Finding(
                ("spec", "positiveClass"),
                f"`positiveClass` does nothing: {why}.",
                at_key=True,
                fix="Remove it." if spec.task != "classification" else "Name the `label` whose value it is.",
            )


class HighRiskWithoutUse(SpecRule[ModelSpec]):
    """A model of high risk should say its intended use."""

    code = "TRU1714"
    about = ("spec.risk_class",)
    severity = Severity.WARNING
    reason = "The EU AI Act (article 13) wants the intended purpose of a high-risk system documented."
    good = """
        kind: Model
        metadata: {name: churn}
        spec:
          source: {uri: "models:/churn/3"}
          task: regression
          riskClass: high
          intendedUse: To order calls to customers; not to price contracts.
        """
    bad = """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: regression, riskClass: high}
        #                                                                     ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.risk_class == "high" and not spec.intended_use.strip():
            yield Finding(
                ("spec", "riskClass"),
                f"{document.key} is of high risk and does not say what it is for.",
                fix="Add `intendedUse`.",
            )


RULES: tuple[type[Rule], ...] = (
    TwoOrigins,
    SourceMalformed,
    NotTrained,
    AliasTwice,
    AliasReserved,
    SignatureFieldTwice,
    LabelAsInput,
    PositiveClassOfRegression,
    HighRiskWithoutUse,
    *promotion_rules.RULES,
    *training_rules.RULES,
    *feature_rules.RULES,
)
