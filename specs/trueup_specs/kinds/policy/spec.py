"""`kind: Policy`: what must hold, in CEL."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from trueup_specs.core.envelope import Items, Name, SpecModel
from trueup_specs.core.references import EnvironmentRef


class Match(SpecModel):
    """What the policy looks at; empty fields match all."""

    kinds: Items[str] = ()
    types: Items[str] = ()
    """Pulumi type tokens, for policies over resources and steps."""
    namespaces: Items[Name] = ()
    environments: Items[EnvironmentRef] = ()


class Example(SpecModel):
    """A case that the policy is tested with."""

    name: str
    object: dict[str, Any]
    """The variables of the expression."""
    allowed: bool


class PolicySpec(SpecModel):
    """What must hold: a CEL expression that is true for what is allowed.

    Over `specs` it sees `document {kind, metadata, spec}` and `environment`; over `resources` it sees `resource {type, name,
    properties}`; over `plan` it sees `plan {environment, steps [{action, type, name, kind, namespace, holdsData, changes}], cost {known,
    currency, before, after, increase, most}}`, costs of a month by the environment's `spec.prices` (0 where `known` is false).
    """

    on: Literal["specs", "resources", "plan"] = "specs"
    level: Literal["advisory", "soft", "mandatory"] = "mandatory"
    """`advisory` is shown and refuses nothing; `soft` refuses, unless those approved who may override (an approval rule of the
    environment with `policyOverride`); `mandatory` refuses whoever approved."""
    match: Match = Field(default_factory=Match)
    expression: str = Field(min_length=1)
    message: str = Field(min_length=1)
    """What a person reads when the expression is false."""
    examples: Items[Example] = ()
    """Cases that `trueup validate` runs."""
