"""`kind: Pipeline`: steps that make a model from data. Terms of GitHub Actions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, EnvValue, Items, Name, Resources, Scalar, SpecModel
from trueup_specs.core.references import DatasetRef


class Schedule(SpecModel):
    """A time trigger."""

    cron: str
    timezone: str = "UTC"


class Trigger(SpecModel):
    """What starts a run beside a changed spec: exactly one of its fields."""

    schedule: Schedule | None = None
    on_data: Items[DatasetRef] | None = None
    """New versions of these datasets."""
    on_code: bool | None = None
    """A changed code tree. True by default; `onCode: false` holds runs back until something else changes."""


class Retry(SpecModel):
    """How often a failed step is tried again."""

    limit: int = Field(default=0, ge=0, le=20)
    """Tries after the first."""
    backoff: Duration = "1s"
    """The wait before the first retry."""
    factor: float = Field(default=2.0, ge=1, le=10)
    """What the wait is multiplied by each time."""
    max_backoff: Duration = "5m"


class Parameter(SpecModel):
    """A declared parameter of the pipeline."""

    type: Literal["string", "integer", "number", "boolean"]
    default: Scalar = None
    description: str = ""


class Output(SpecModel):
    """A declared output of a step."""

    type: Literal["table", "model", "file", "json"] = "file"
    path: str | None = None
    """Where the step writes it, relative to its folder; by default the output's name."""


class Step(SpecModel):
    """One step: a built-in one, a Python function, or a command."""

    name: Name
    uses: str | None = None
    """A built-in step (`load`, `check`, `split`, `transform`, `train`, `evaluate`, `compare`, `register`) or
    `path/to/file.py:function`, relative to the pipeline's `code`."""
    run: str | Items[str] | None = None
    """A command: a list is started as it is, a string by `sh -e`."""
    needs: Items[str] = ()
    """Steps that come first, beside those whose outputs are `inputs`."""
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    """Parameters of the step; `${{ params.NAME }}` is replaced by the pipeline's parameter."""
    when: str | None = None
    """A CEL condition over `params` and `steps.NAME.metrics`; the step is skipped where it is false."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Input name → `step.output`."""
    outputs: dict[str, Output] = Field(default_factory=dict)
    """Outputs of a function or command; built-in steps declare their own."""
    metrics: Items[str] = ()
    """Numbers that the step reports."""
    retry: Retry = Field(default_factory=Retry)
    timeout: Duration = "1h"
    resources: Resources = Field(default_factory=Resources)
    env: dict[str, EnvValue] = Field(default_factory=dict)
    cache: bool = True
    """Whether an equal earlier result is taken instead of running again."""


class PipelineSpec(SpecModel):
    """Steps that make a model from data."""

    steps: Items[Step] = Field(min_length=1)
    params: dict[str, Parameter] = Field(default_factory=dict)
    triggers: Items[Trigger] = ()
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    """What happens when a run is due while another of the same model goes on (Kubernetes CronJob's terms): `Allow` runs beside it,
    `Forbid` waits for its end, `Replace` cancels it."""
    code: str | None = None
    """The folder with the steps' code, relative to the workspace; part of the fingerprint as a whole."""
    lockfile: str | None = None
    """The locked environment of the steps (`pylock.toml` or a pinned `requirements.txt`), relative to the workspace;
    by default the environment that Trueup runs in."""
    image: str | None = None
    """On targets that run containers: the image of the steps, by digest."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    on_upstream_change: Literal["retrain", "forwardOnly", "hold"] = "retrain"
    """What a breaking change upstream does (of columns, contracts or features): `retrain` runs again; `forwardOnly` comes with the
    next run that data or the pipeline starts; `hold` is like it, and new data starts none either."""
    description: str = ""
