"""A plan as text for terminals. Sees the plan's values only; the CLI prints what is returned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from trueup.plan.values import Action, Category, Plan, PropertyChange, SpecChange, Step
from trueup.views import costs
from trueup.views.words import duration, plural, short, worded

SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.MAYBE_REPLACE: "~/±",
    Action.REPLACE: "±",
    Action.DELETE: "-",
    Action.FORGET: "-",
    Action.GIVE_UP: "x",
    Action.MOVE: ">",
}
SPEC_SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": ">"}
MOST_CHANGES = 12
QUIET = ("fingerprint", "sourceFingerprint")
_VERDICTS = {"advisory": "warns", "soft": "REFUSES, unless overridden"}


def text(plan: Plan, *, detailed: bool = False) -> str:
    """The whole plan; `detailed` shows every property of what is created and every change."""
    return "\n".join(_lines(plan, detailed)) + "\n"


def headline(plan: Plan) -> str:
    """One line: what would happen."""
    if plan.empty:
        return f"{plan.environment}: nothing to do."
    counts = {action: sum(s.action is action for s in plan.steps) for action in Action}
    parts = [f"{n} to {action.value}" for action, n in counts.items() if n]
    runs = f"; {plural(len(plan.evidence.runs), 'training run')}" if plan.evidence.runs else ""
    return f"{plan.environment}: {', '.join(parts)}{runs}."


def _lines(plan: Plan, detailed: bool) -> Iterator[str]:
    yield f"Plan of {plan.environment} at {short(plan.commit)}{' (with uncommitted changes)' if plan.dirty else ''}"
    if plan.changes:
        yield ""
        yield "Specs"
        yield from (spec_line(c) for c in plan.changes)
    if plan.steps:
        yield ""
        yield f"Steps: {headline(plan).partition(': ')[2]}"
        for stack, steps in groupby(sorted(plan.steps, key=lambda s: s.address.stack), key=lambda s: s.address.stack):
            yield f"  {stack}"
            for step in steps:
                yield from step_lines(step, detailed)
    yield from _evidence(plan)
    yield ""
    yield headline(plan)


def spec_line(change: SpecChange) -> str:
    """A changed spec, with its category and paths."""
    paths = ", ".join(change.paths[:4]) + (f" and {len(change.paths) - 4} more" if len(change.paths) > 4 else "")
    detail = f" ({change.detail})" if change.detail else ""
    category = "" if change.change == "added" else f"  {change.category.value}"
    return f"  {SPEC_SIGNS[change.change]} {change.key}{detail}{category}{'  ' + paths if paths else ''}"


def step_lines(step: Step, detailed: bool) -> Iterator[str]:
    """A step and what differs."""
    notes = step_notes(step)
    yield f"    {SIGNS[step.action]} {step.address.type} {step.address.name}{'  (' + '; '.join(notes) + ')' if notes else ''}"
    yield from change_lines(step, detailed)


def step_notes(step: Step) -> list[str]:
    """Why a step is taken, and what is worth knowing of it."""
    notes = [step.reason.rstrip(".")] if step.reason else []
    if step.category is Category.METADATA:
        notes.append("metadata only")
    if step.exempt:
        notes.append("needs no approval")
    if step.action is Action.FORGET:
        notes.append("the real thing is kept")
    elif step.action is Action.GIVE_UP:
        notes.append("it is given up: the cluster is not asked")
    elif step.holds_data and step.action in (Action.DELETE, Action.REPLACE):
        notes.append("HOLDS DATA")
    if step.expected_seconds is not None:
        notes.append(f"took {duration(step.expected_seconds)} last time")
    return notes


def change_lines(step: Step, detailed: bool) -> Iterator[str]:
    """What differs in a step's resource. A new resource shows its properties only when `detailed`."""
    changes = list(step.changes) if detailed else meaningful(step)
    if step.action is Action.CREATE and step.changes and not step.changes[0].path:
        if detailed:
            yield from (f"        {k}: {worded(v)}" for k, v in sorted(step.changes[0].desired.items()))
        return
    shown = changes if detailed else changes[:MOST_CHANGES]
    yield from (f"        {change_text(c)}" for c in shown)
    if len(changes) > len(shown):
        yield f"        … and {plural(len(changes) - len(shown), 'more change')}"


def change_text(change: PropertyChange) -> str:
    """`path: old → new`; where both stand for the same output of a resource, whose value will be another, that output once."""
    old, new = worded(change.recorded), worded(change.desired)
    return f"{change.path}: {new if old == new else f'{old} → {new}'}"


def meaningful(step: Step) -> list[PropertyChange]:
    """The changes that tell a person something: digests of everything else do not."""
    return [c for c in step.changes if c.path not in QUIET]


def _evidence(plan: Plan) -> Iterator[str]:
    found = plan.evidence
    if found.runs:
        runs = (f"{name}{f' (about {duration(seconds)})' if seconds else ''}" for name, seconds in found.runs)
        yield from _section("Runs", runs)
    yield from _section("Downstream", found.downstream)
    yield from _section("Drift", found.drift)
    yield from _section(
        "Policies",
        (
            f"{_VERDICTS.get(v.level, 'REFUSES')}  {v.policy} on {v.object}: {v.message}"
            for v in found.verdicts
            if not v.allowed
        ),
    )
    if plan.steps and found.cost.currency:
        yield ""
        yield f"Cost: {costs.phrase(found.cost)}"
        yield from (f"  not in it: {note}" for note in found.cost.notes)
    yield from _section("Merged, not applied yet", (spec_line(c).strip() for c in found.unapplied))
    if found.approval_rules and plan.seal:
        yield ""
        yield f"Approvals: {'; '.join(found.approval_rules)} (trueup approve {plan.environment})."


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield title
        yield from (f"  {line}" for line in found)
