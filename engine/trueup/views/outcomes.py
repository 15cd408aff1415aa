"""What an apply came to, and its progress, as text and JSON. Sees values only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from trueup.apply.application import Outcome
from trueup.apply.outcome import Event, StackResult
from trueup.views.words import duration, plural
from trueup_stacks.core.resources import Address, StackId

VERBS = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "import": "imported",
    "give-up": "given up",
}
RUN, AGAIN = "trueup:run:Run", "run anew"
"""A run is never changed: another one takes its place."""
SAID = {
    "nothing": "Nothing to do: {environment} is as the specs say.",
    "done": "Applied {environment}: {steps} in {seconds}.",
    "held": "Applied {environment} as far as its gates let: {steps} in {seconds}.",
    "waiting": "{environment} waits for a run that goes on: {steps} in {seconds}. Apply again to go on.",
    "partly": "Applied {environment} in part: {steps} in {seconds}. Apply again once what is written above is put right.",
    "failed": "Nothing of {environment} was applied. Apply again once what is written above is put right.",
}


def summary(environment: str, outcome: str, result: Outcome, held: Mapping[Address, Mapping[str, Any]]) -> str:
    """What was done, what failed, what is held and why, what waits, what was blocked."""
    return "\n".join(_lines(environment, outcome, result, held)) + "\n"


def _lines(environment: str, outcome: str, result: Outcome, held: Mapping[Address, Mapping[str, Any]]) -> Iterator[str]:
    for stack in result.results:
        for note in stack.recovered:
            yield f"Put right in {stack.stack}: {note}"
    for stack in result.results:
        if stack.error:
            yield f"FAILED {stack.stack}"
            yield from (f"  {line}" for line in stack.error.splitlines())
            for step in stack.steps:
                if step.address.type == RUN and step.status == "failed":
                    yield f"  What its steps printed: trueup logs {environment} {step.address.name}"
    for address, outputs in held.items():
        yield from gate_lines(address, outputs)
    for address, text in result.not_ready.items():
        if address not in held:
            yield f"NOT READY {address.name} ({address.type}): {text}"
    for blocked in result.blocked:
        yield f"NOT TRIED {blocked.stack}: {blocked.reason}"
    changed = sum(len(r.changed) for r in result.results)
    yield SAID[outcome].format(
        environment=environment, steps=plural(changed, "resource"), seconds=duration(result.seconds)
    )


def gate_lines(address: Address, outputs: Mapping[str, Any]) -> Iterator[str]:
    """Why a gate held, with its numbers."""
    in_use = outputs.get("acceptedVersion")
    kept = f"version {in_use} stays in use" if in_use is not None else "no version is in use"
    yield f"HELD {address.name}: version {outputs.get('candidateVersion')} did not pass its gates; {kept}."
    for check in outputs.get("evidence") or ():
        if isinstance(check, Mapping):
            yield f"  {str(check.get('verdict', '')).upper():12} {check.get('text') or check.get('metric')}"


def event_line(event: Event) -> str:
    """One line of progress for a terminal without a live display; empty for what is not worth one."""
    where = f"{event.address.type} {event.address.name}" if event.address else str(event.stack)
    if event.kind == "log":
        return f"  {event.message}" if event.message else ""
    if event.kind == "failed":
        return f"{'  ' if event.address else ''}✗ {where}"  # why stands in the summary
    if event.kind == "finished":
        if event.address is None:
            return f"✓ {where} ({duration(event.seconds)})"
        verb = AGAIN if event.address.type == RUN and event.action == "replace" else VERBS.get(event.action)
        return f"  ✓ {where} {verb} ({duration(event.seconds)})" if verb else ""
    return f"… {where}" if event.address is None else ""


def as_json(
    environment: str,
    outcome: str,
    result: Outcome,
    held: Mapping[Address, Mapping[str, Any]],
    gates: Mapping[Address, Mapping[str, Any]],
) -> dict[str, Any]:
    """The outcome for machines."""
    return {
        "environment": environment,
        "outcome": outcome,
        "seconds": round(result.seconds, 3),
        "stacks": [_stack(r) for r in result.results],
        "blocked": {str(b.stack): b.reason for b in result.blocked},
        "held": {str(a): dict(o) for a, o in held.items()},
        "gates": {str(a): dict(o) for a, o in gates.items()},
        "notReady": {str(a): t for a, t in result.not_ready.items()},
    }


def _stack(result: StackResult) -> dict[str, Any]:
    steps: Iterable[dict[str, Any]] = (
        {"resource": str(s.address), "action": s.action, "status": s.status, "error": s.error, "seconds": s.seconds}
        for s in result.changed
    )
    return {"stack": str(result.stack), "ok": result.ok, "error": result.error, "steps": list(steps)}


def destroyed(
    environment: str,
    outcome: str,
    results: Iterable[StackResult],
    skipped: Iterable[StackId],
    kept: Iterable[Address],
    away: Mapping[StackId, str] = MappingProxyType({}),
) -> str:
    """What a `destroy` came to: what failed, what was not tried after it, what is on a cluster that is away, what is kept."""
    lines = []
    found, left = list(results), list(skipped)
    for failed in (r for r in found if not r.ok):
        lines += [f"FAILED {failed.stack}", *(f"  {line}" for line in failed.error.splitlines())]
    lines += [f"NOT TRIED {id}: what depends on it is still there" for id in left]
    lines += [f"NOT TRIED {id}: {reason}" for id, reason in sorted(away.items())]
    for result in found:
        if given_up := sum(s.action == "give-up" for s in result.steps):
            lines.append(f"GIVEN UP {result.stack}: {plural(given_up, 'resource')}, with the cluster that is lost")
    lines += [f"KEPT {a.name} ({a.type}): the real thing stays where it is" for a in kept]
    stacks, done = plural(len(found) + len(left) + len(away), "stack"), sum(r.ok for r in found)
    said = {
        "done": f"Destroyed {environment}: {stacks}.",
        "partly": f"{environment} is destroyed in part, {done} of {stacks}. Run it again once what is written above is put right.",
    }
    nothing = f"Nothing of {environment} was destroyed. Run it again once what is written above is put right."
    return "\n".join([*lines, said.get(outcome, nothing)])


def destroyed_json(
    environment: str,
    outcome: str,
    results: Iterable[StackResult],
    skipped: Iterable[StackId],
    kept: Iterable[Address],
    away: Mapping[StackId, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The same for machines."""
    return {
        "environment": environment,
        "outcome": outcome,
        "ok": outcome == "done",
        "errors": {str(r.stack): r.error for r in results if not r.ok},
        "skipped": [str(id) for id in skipped],
        "away": {str(id): reason for id, reason in sorted(away.items())},
        "kept": [str(a) for a in kept],
    }
