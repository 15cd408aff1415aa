"""A plan as a file, and whether it still holds. Versioned JSON; nothing in it is a secret. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from trueup.plan.values import (
    PLAN_VERSION,
    Action,
    Category,
    Cost,
    Evidence,
    Plan,
    PropertyChange,
    SealEntry,
    SpecChange,
    Step,
    Verdict,
)
from trueup_specs.core.positions import Location
from trueup_stacks.core.resources import Address, StackId

KIND = "trueup.dev/plan"


def dump(plan: Plan) -> bytes:
    """The plan as JSON."""
    value = {
        "kind": KIND,
        "version": plan.version,
        "workspace": plan.workspace,
        "environment": plan.environment,
        "commit": plan.commit,
        "tree": plan.tree,
        "dirty": plan.dirty,
        "seal": {"digest": plan.seal_digest, "entries": [list(_entry(e)) for e in plan.seal]},
        "steps": [_step_json(s) for s in plan.steps],
        "changes": [spec_change_json(c) for c in plan.changes],
        "evidence": _evidence_json(plan.evidence),
        "order": [[str(s) for s in wave] for wave in plan.order],
        "desired": dict(plan.desired),
        "inputs": dict(plan.inputs),
        "sources": dict(plan.sources),
        "policies": dict(plan.policies),
    }
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def load(data: bytes) -> Plan:
    """The reverse. Raises ValueError with what is wrong, also where the seal's digest does not fit its entries."""
    try:
        value = json.loads(data)
        if value.get("kind") != KIND:
            raise ValueError("it is no plan of Trueup")
        if value["version"] != PLAN_VERSION:
            raise ValueError(f"its version is {value['version']}, and this Trueup reads {PLAN_VERSION}; plan anew")
        plan = _plan(value)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is damaged ({type(error).__name__}: {error})") from None
    if plan.seal_digest != value["seal"]["digest"]:
        raise ValueError("its seal does not fit its entries: it was changed after it was saved")
    return plan


def stale(saved: Plan, current: Plan) -> tuple[str, ...]:
    """Why a saved plan no longer holds, as sentences; empty where applying now does exactly what it says."""
    return tuple(_stale(saved, current))


def _stale(saved: Plan, current: Plan) -> Iterator[str]:
    if (saved.workspace, saved.environment) != (current.workspace, current.environment):
        yield f"The plan is of {saved.workspace}/{saved.environment}, not of {current.workspace}/{current.environment}."
        return
    if saved.dirty or current.dirty:
        yield "The plan was made from, or meets, a working tree with uncommitted changes."
    if saved.tree != current.tree:
        yield f"The specs are another tree: {saved.tree[:10]} was planned, {current.tree[:10]} is there now."
    yield from _differing("The recorded inputs of {0} changed since the plan was made.", saved.inputs, current.inputs)
    yield from _differing("The data of {0} changed since the plan was made.", saved.sources, current.sources)
    yield from _differing("The policy {0} changed since the plan was made.", saved.policies, current.policies)
    if saved.seal_digest != current.seal_digest:
        yield f"What would be done differs: {len(saved.seal)} effects were planned, {len(current.seal)} would be made now."


def _differing(text: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield text.format(name)


def _entry(entry: SealEntry) -> tuple[Any, ...]:
    return (entry.stack, entry.urn, str(entry.action), entry.path, entry.recorded, entry.desired)


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "resource": str(step.address),
        "action": str(step.action),
        "document": step.origin,
        "changes": [[c.path, c.recorded, c.desired] for c in step.changes],
        "reason": step.reason,
        "direct": step.direct,
        "category": str(step.category),
        "exempt": step.exempt,
        "holdsData": step.holds_data,
        "expectedSeconds": step.expected_seconds,
    }


def _step(value: Mapping[str, Any]) -> Step:
    return Step(
        Address.parse(value["resource"]),
        Action(value["action"]),
        value["document"],
        tuple(PropertyChange(*c) for c in value["changes"]),
        value["reason"],
        value["direct"],
        Category(value["category"]),
        value["exempt"],
        value["holdsData"],
        value["expectedSeconds"],
    )


def spec_change_json(change: SpecChange) -> dict[str, Any]:
    """A changed spec as JSON."""
    place = change.location
    return {
        "document": change.key,
        "change": change.change,
        "category": str(change.category),
        "paths": list(change.paths),
        "detail": change.detail,
        "location": [place.file, place.line, place.column] if place else None,
    }


def _spec_change(value: Mapping[str, Any]) -> SpecChange:
    place = Location(*value["location"]) if value["location"] else None
    return SpecChange(
        value["document"], value["change"], Category(value["category"]), tuple(value["paths"]), value["detail"], place
    )


def _evidence_json(found: Evidence) -> dict[str, Any]:
    return {
        "runs": [list(r) for r in found.runs],
        "downstream": list(found.downstream),
        "drift": list(found.drift),
        "verdicts": [[v.policy, v.level, v.allowed, v.object, v.message] for v in found.verdicts],
        "approvalsRequired": found.approvals_required,
        "approvers": list(found.approvers),
        "unapplied": [spec_change_json(c) for c in found.unapplied],
        "approvalRules": list(found.approval_rules),
        "cost": cost_json(found.cost),
    }


def _evidence(value: Mapping[str, Any]) -> Evidence:
    return Evidence(
        tuple((name, seconds) for name, seconds in value["runs"]),
        tuple(value["downstream"]),
        tuple(value["drift"]),
        tuple(Verdict(*v) for v in value["verdicts"]),
        value["approvalsRequired"],
        tuple(value["approvers"]),
        tuple(_spec_change(c) for c in value["unapplied"]),
        cost=_cost(value.get("cost", {"known": False, "reason": "The plan is of an older Trueup."})),
        approval_rules=tuple(value.get("approvalRules", ())),
    )


def cost_json(found: Cost) -> dict[str, Any]:
    """A cost as JSON, the same for files and policies: amounts a month, all 0 where `known` is false."""
    return {
        "known": not found.unknown,
        "reason": found.unknown,
        "currency": found.currency,
        "before": found.before,
        "after": found.after,
        "increase": found.increase,
        "most": found.most,
        "notes": list(found.notes),
    }


def _cost(value: Mapping[str, Any]) -> Cost:
    if not value["known"]:
        return Cost(value.get("currency", ""), unknown=value["reason"])
    return Cost(value["currency"], value["before"], value["after"], value["most"], notes=tuple(value["notes"]))


def _plan(value: Mapping[str, Any]) -> Plan:
    return Plan(
        workspace=value["workspace"],
        environment=value["environment"],
        commit=value["commit"],
        tree=value["tree"],
        steps=tuple(_step(s) for s in value["steps"]),
        seal=tuple(SealEntry(*e) for e in value["seal"]["entries"]),
        changes=tuple(_spec_change(c) for c in value["changes"]),
        evidence=_evidence(value["evidence"]),
        order=tuple(tuple(StackId.parse(s) for s in wave) for wave in value["order"]),
        desired=value["desired"],
        inputs=value["inputs"],
        sources=value["sources"],
        policies=value["policies"],
        version=value["version"],
        dirty=value["dirty"],
    )
