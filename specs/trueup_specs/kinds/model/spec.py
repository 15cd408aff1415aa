"""`kind: Model`: what is trained, registered, promoted. Terms of MLflow's registry."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, Items, Name, SpecModel
from trueup_specs.core.references import (
    EachOrEnvironmentRef,
    EnvironmentRef,
    FeatureServiceRef,
    PipelineRef,
    QualityGateRef,
)


class ModelSource(SpecModel):
    """A model that is not trained here."""

    uri: str
    """An MLflow model URI (`models:/…`, `runs:/…`) or a path of the workspace."""


class SignatureField(SpecModel):
    """A column of the model's signature."""

    name: str
    type: Literal["string", "integer", "long", "float", "double", "boolean", "datetime"]
    required: bool = True


class Signature(SpecModel):
    """What the model takes and gives; checked against what the run logs."""

    inputs: Items[SignatureField] = Field(min_length=1)
    outputs: Items[SignatureField] = ()


class Train(SpecModel):
    """Where the model is trained."""

    in_: EachOrEnvironmentRef | None = Field(default=None, alias="in")
    """The environment, or `each`; by default the first of the promotion path."""


class LiveCheck(SpecModel):
    """What must hold of the requests that a version has answered in the environment before: `min`, `max` or both."""

    metric: Literal["requests", "errorRatio", "latencyP50", "latencyP95", "latencyP99"]
    """`requests`: how many ended; `errorRatio`: the share of them that failed by the server's fault; the others: seconds that the model
    took, as Prometheus estimates them from the server's histogram."""
    min: float | None = Field(default=None, ge=0)
    max: float | None = Field(default=None, ge=0)


class Promotion(SpecModel):
    """How versions travel from environment to environment."""

    path: Items[EnvironmentRef] = ()
    """The environments in order; the first trains."""
    mode: Literal["auto", "pullRequest"] = "pullRequest"
    """`auto`: the next apply takes the version that was accepted before; `pullRequest`: when its pin is merged."""
    soak: Duration | None = None
    """How long a version must have served in the environment before."""
    live: Items[LiveCheck] = ()
    """What must hold of its requests there, asked when it is promoted (`mode: pullRequest`)."""


class Alias(SpecModel):
    """A name for a version in the registry."""

    name: Name
    version: int | None = Field(default=None, ge=1)
    """Pins the version; by default the alias follows the accepted one."""


class Retention(SpecModel):
    """Which old versions are kept."""

    versions: int = Field(default=10, ge=1)
    """How many of the newest stay in the registry when a new one is accepted; what is in use or pinned anywhere stays in any case."""


class ModelSpec(SpecModel):
    """A model: what trains it, what it promises, how it is promoted."""

    pipeline: PipelineRef | None = None
    source: ModelSource | None = None
    task: Literal["classification", "regression"]
    flavor: Literal["sklearn", "pyfunc"] = "sklearn"
    label: str | None = None
    """The column that is predicted."""
    positive_class: str | int | bool | None = None
    """Binary classification: the value of `label` that counts as positive; by default the last in sorted order."""
    features: FeatureServiceRef | None = None
    """The feature service that training and serving read from."""
    signature: Signature | None = None
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Values of the pipeline's parameters."""
    train: Train = Field(default_factory=Train)
    gates: Items[QualityGateRef] = ()
    """Gates that a new version passes before aliases and endpoints move."""
    promotion: Promotion = Field(default_factory=Promotion)
    version: int | None = Field(default=None, ge=1)
    """Pins the version in use, as an overlay of a later environment does."""
    aliases: Items[Alias] = (Alias(name="champion"),)
    intended_use: str = ""
    risk_class: Literal["minimal", "limited", "high"] | None = None
    """The risk class of the EU AI Act."""
    retention: Retention = Field(default_factory=Retention)
    description: str = ""
