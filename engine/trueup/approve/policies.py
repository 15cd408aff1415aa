"""Policies: what must hold, in CEL, over specs, resources and the plan. Pure; called for each plan.

What an expression cannot answer for an object is refused, with the reason: a rule that fails to say yes has not said yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.plan.saved import cost_json
from trueup.plan.values import Plan, Step, Verdict
from trueup_specs.core.envelope import Document
from trueup_specs.core.expressions import Expression, ExpressionError
from trueup_specs.core.expressions import compile as compiled
from trueup_specs.core.fingerprints import fingerprint
from trueup_specs.core.references import Key
from trueup_specs.kinds.policy.spec import PolicySpec
from trueup_stacks.core.resources import Resource, encode

VARIABLES = {
    "specs": ("document", "environment"),
    "resources": ("resource", "environment"),
    "plan": ("plan", "environment"),
}
_RULES = frozenset({"Workspace", "Environment", "Overlay", "Policy", "AccessPolicy", "Team"})


@dataclass(frozen=True)
class _Subject:
    """One object that a policy looks at."""

    name: str
    values: Mapping[str, Any]


def judge(
    policies: Iterable[Document],
    documents: Iterable[Document],
    resources: tuple[Resource, ...],
    plan: Plan,
    environment: str,
) -> tuple[Verdict, ...]:
    """What each policy says of each object that it matches."""
    found = list(documents)
    verdicts: list[Verdict] = []
    for document in policies:
        spec = document.spec
        assert isinstance(spec, PolicySpec)
        if _holds_in(spec, environment):
            verdicts += _judged(document.key.name, spec, list(_subjects(spec, found, resources, plan)), environment)
    return tuple(verdicts)


def matching(
    policies: Iterable[Document], documents: Iterable[Document], resources: tuple[Resource, ...], plan: Plan
) -> dict[str, str]:
    """The digest of each policy that matches an object, by name: what a saved plan pins."""
    found = list(documents)
    digests: dict[str, str] = {}
    for document in policies:
        spec = document.spec
        assert isinstance(spec, PolicySpec)
        if _holds_in(spec, plan.environment) and any(True for _ in _subjects(spec, found, resources, plan)):
            digests[document.key.name] = fingerprint(spec.model_dump(by_alias=True, mode="json", exclude={"examples"}))
    return digests


def _holds_in(spec: PolicySpec, environment: str) -> bool:
    return not spec.match.environments or environment in spec.match.environments


def _judged(name: str, spec: PolicySpec, subjects: list[_Subject], environment: str) -> Iterator[Verdict]:
    try:
        expression = compiled(spec.expression, VARIABLES[spec.on])
    except ExpressionError as error:
        yield Verdict(name, spec.level, False, f"Policy/{name}", f"The policy cannot be read: {error}")
        return
    for subject in subjects:
        allowed, why = _asked(expression, {**subject.values, "environment": environment})
        yield Verdict(name, spec.level, allowed, subject.name, "" if allowed else why or spec.message)


def _asked(expression: Expression, values: Mapping[str, Any]) -> tuple[bool, str]:
    try:
        answer = expression.evaluate(values)
    except ExpressionError as error:
        return False, f"The policy has no answer for it: {error}"
    if not isinstance(answer, bool):
        return False, f"The policy's expression gives {answer!r}, which is neither true nor false."
    return answer, ""


def _subjects(
    spec: PolicySpec, documents: list[Document], resources: tuple[Resource, ...], plan: Plan
) -> Iterator[_Subject]:
    match spec.on:
        case "specs":
            for document in documents:
                if document.key.kind not in _RULES and _matches(spec, document.key, ""):
                    yield _Subject(str(document.key), {"document": _document(document)})
        case "resources":
            for resource in resources:
                if _matches(spec, resource.origin, resource.address.type):
                    yield _Subject(str(resource.address), {"resource": _resource(resource)})
        case "plan":
            steps = [s for s in plan.steps if _matches(spec, Key.parse(s.origin), s.address.type)]
            if steps:
                yield _Subject(
                    f"plan of {plan.environment}",
                    {"plan": _plan(plan, steps)},
                )


def _plan(plan: Plan, steps: list[Step]) -> dict[str, Any]:
    cost = cost_json(plan.evidence.cost)
    return {"environment": plan.environment, "steps": [_step(s) for s in steps], "cost": cost}


def _matches(spec: PolicySpec, key: Key, type: str) -> bool:
    match = spec.match
    return (
        (not match.kinds or key.kind in match.kinds)
        and (not match.namespaces or key.namespace in match.namespaces)
        and (not match.types or not type or type in match.types)
    )


def _document(document: Document) -> dict[str, Any]:
    return {
        "kind": document.key.kind,
        "metadata": {
            "namespace": document.key.namespace,
            "labels": {},
            "owner": None,
            **document.metadata.model_dump(by_alias=True, exclude_none=True, mode="json"),
        },
        "spec": document.spec.model_dump(by_alias=True, mode="json"),
    }


def _resource(resource: Resource) -> dict[str, Any]:
    properties = {k: encode(v) for k, v in resource.properties.items()}
    return {"type": resource.address.type, "name": resource.address.name, "properties": properties}


def _step(step: Any) -> dict[str, Any]:
    key = Key.parse(step.origin)
    return {
        "action": str(step.action),
        "type": step.address.type,
        "name": step.address.name,
        "kind": key.kind,
        "namespace": key.namespace,
        "holdsData": step.holds_data,
        "changes": [{"path": c.path, "recorded": c.recorded, "desired": c.desired} for c in step.changes],
    }
