"""Rules of `kind: Policy` (TRU1230 to TRU1279)."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.expressions import Expression, ExpressionError
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.envelope.conditions import compiled
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.policy.spec import PolicySpec

VARIABLES: dict[str, tuple[str, ...]] = {
    "specs": ("document", "environment"),
    "resources": ("resource", "environment"),
    "plan": ("plan", "environment"),
}
"""What an expression may read, by `on`."""
_UNJUDGED = ("Workspace", "Environment", "Overlay", "Policy", "AccessPolicy", "Team")
_GOOD = """
    kind: Policy
    metadata: {name: owned}
    spec:
      match: {kinds: [Endpoint]}
      expression: document.metadata.owner != null
      message: An endpoint needs an owner.
      examples:
        - {name: owned, object: {document: {metadata: {owner: growth}}}, allowed: true}
        - {name: not owned, object: {document: {metadata: {owner: null}}}, allowed: false}
    """


def _read(spec: PolicySpec) -> Expression | str:
    return compiled(spec.expression, VARIABLES[spec.on])


class ExpressionInvalid(SpecRule[PolicySpec]):
    """The expression must be CEL over the variables that `on` gives."""

    code = "TRU1230"
    reason = "A policy that cannot be read refuses every plan."
    good = _GOOD
    bad = """
        kind: Policy
        metadata: {name: owned}
        spec: {expression: documnt.metadata.owner != null, message: An endpoint needs an owner.}
        #                  ^
        """

    def find(self, spec: PolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        found = _read(spec)
        if isinstance(found, str):
            names = " and ".join(f"`{name}`" for name in VARIABLES[spec.on])
            yield Finding(
                ("spec", "expression"),
                found,
                fix=f"A policy on `{spec.on}` reads {names}; see https://cel.dev for the language.",
            )


class ExpressionNoCondition(SpecRule[PolicySpec]):
    """The expression must be true or false."""

    code = "TRU1231"
    reason = "What is neither true nor false allows nothing."
    good = _GOOD
    bad = """
        kind: Policy
        metadata: {name: owned}
        spec: {expression: size(document.metadata.owner), message: An endpoint needs an owner.}
        #                  ^
        """

    def find(self, spec: PolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        found = _read(spec)
        if isinstance(found, Expression) and not found.may_be_boolean:
            yield Finding(
                ("spec", "expression"),
                f"The expression is neither true nor false; its type is {found.type.lower()}.",
                fix="Compare it with something: `size(x) > 0`, `x != null`.",
            )


class ExpressionConstant(SpecRule[PolicySpec]):
    """The expression must read something of what it judges."""

    code = "TRU1232"
    reason = "It says the same of everything, so it forbids all or nothing."
    good = _GOOD
    bad = """
        kind: Policy
        metadata: {name: owned}
        spec: {expression: "1 < 2", message: An endpoint needs an owner.}
        #                  ^
        """

    def find(self, spec: PolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        found = _read(spec)
        if isinstance(found, Expression) and found.may_be_boolean and not found.variables:
            yield Finding(
                ("spec", "expression"),
                "The expression reads nothing of what it judges.",
                fix=f"Read `{VARIABLES[spec.on][0]}` in it.",
            )


class ExampleWrong(SpecRule[PolicySpec]):
    """An example must be allowed or refused as it says."""

    code = "TRU1233"
    reason = "The policy does not do what its author thinks."
    good = _GOOD
    bad = """
        kind: Policy
        metadata: {name: owned}
        spec:
          expression: document.metadata.owner != null
          message: An endpoint needs an owner.
          examples: [{name: not owned, object: {document: {metadata: {owner: null}}}, allowed: true}]
        #                                                                                      ^
        """

    def find(self, spec: PolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        found = _read(spec)
        if isinstance(found, str) or not found.may_be_boolean:
            return
        for position, example in enumerate(spec.examples):
            place = ("spec", "examples", position)
            try:
                answer = found.holds(example.object)
            except ExpressionError as error:
                yield Finding(
                    (*place, "object"),
                    f"The policy has no answer for the example {example.name!r}: {error}",
                    fix=f"Give {' and '.join(f'`{v}`' for v in sorted(found.variables))} in `object` as the policy reads them.",
                )
                continue
            if answer != example.allowed:
                yield Finding(
                    (*place, "allowed"),
                    f"The example {example.name!r} is {'allowed' if answer else 'refused'}, and should not be.",
                    fix="Change the expression, or the example.",
                )


class ExampleTwice(SpecRule[PolicySpec]):
    """Each example must have a name of its own."""

    code = "TRU1234"
    reason = "A failing example is told by its name."
    good = _GOOD
    bad = """
        kind: Policy
        metadata: {name: owned}
        spec:
          expression: document.metadata.owner != null
          message: An endpoint needs an owner.
          examples:
            - {name: owned, object: {document: {metadata: {owner: a}}}, allowed: true}
            - {name: owned, object: {document: {metadata: {owner: null}}}, allowed: false}
        #            ^
        """

    def find(self, spec: PolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, name in repeated(example.name for example in spec.examples):
            yield Finding(
                ("spec", "examples", position, "name"), f"Two examples are called {name!r}.", fix="Rename one of them."
            )


class TypesOfSpecs(SpecRule[PolicySpec]):
    """`match.types` belongs to policies over resources or the plan."""

    code = "TRU1235"
    reason = "Specs have kinds and no Pulumi types, so the field would do nothing."
    good = _GOOD
    bad = """
        kind: Policy
        metadata: {name: private}
        spec:
          match: {types: ["aws:s3/bucket:Bucket"]}
        #         ^
          expression: document.spec.blockPublicAccess
          message: Buckets are private.
        """

    def find(self, spec: PolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.on == "specs" and spec.match.types:
            yield Finding(
                ("spec", "match", "types"),
                "A policy on `specs` sees no Pulumi types.",
                at_key=True,
                fix="Write `kinds`, or `on: resources`.",
            )


class TypeMalformed(SpecRule[PolicySpec]):
    """`match.types` must be Pulumi type tokens: `package:module:Name`."""

    code = "TRU1236"
    reason = "Another form matches nothing, and the policy would never be asked."
    good = """
        kind: Policy
        metadata: {name: private}
        spec:
          on: resources
          match: {types: ["aws:s3/bucket:Bucket"]}
          expression: resource.properties.forceDestroy == false
          message: Buckets are kept.
        """
    bad = """
        kind: Policy
        metadata: {name: private}
        spec:
          on: resources
          match: {types: [Bucket]}
        #                 ^
          expression: resource.properties.forceDestroy == false
          message: Buckets are kept.
        """

    def find(self, spec: PolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, token in enumerate(spec.match.types):
            if spec.on != "specs" and (token.count(":") != 2 or not all(token.split(":"))):
                yield Finding(
                    ("spec", "match", "types", position),
                    f"{token!r} is no type token of Pulumi.",
                    fix="Write `package:module:Name`, such as `aws:s3/bucket:Bucket` or `trueup:data:Table`.",
                )


class KindUnknown(SpecRule[PolicySpec]):
    """`match.kinds` must name kinds that become resources."""

    code = "TRU1237"
    reason = "The others are never judged by policies, so the policy would never be asked."
    good = _GOOD
    bad = """
        kind: Policy
        metadata: {name: owned}
        spec:
          match: {kinds: [Endpiont]}
        #                 ^
          expression: document.metadata.owner != null
          message: An endpoint needs an owner.
        """

    def find(self, spec: PolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        from trueup_specs.kinds import KINDS

        judged = [kind for kind in KINDS if kind not in _UNJUDGED]
        for position, kind in enumerate(spec.match.kinds):
            if kind in judged:
                continue
            summary = f"Policies do not judge {kind}." if kind in KINDS else f"There is no kind {kind!r}."
            yield Finding(("spec", "match", "kinds", position), summary, fix=instead(kind, judged))


RULES: tuple[type[Rule], ...] = (
    ExpressionInvalid,
    ExpressionNoCondition,
    ExpressionConstant,
    ExampleWrong,
    ExampleTwice,
    TypesOfSpecs,
    TypeMalformed,
    KindUnknown,
)
