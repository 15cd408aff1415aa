"""A plan as Markdown for a pull request: what a reviewer must know first, details folded. Sees the plan's values only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from trueup.plan.values import Action, Category, Plan, SealEntry, SpecChange, Step
from trueup.views.plans import SIGNS, change_text, headline, meaningful, step_notes
from trueup.views.words import duration, plural, short
from trueup_specs.core.diagnostics import Diagnostic, Severity

MARKER = "<!-- trueup plan {environment} -->"
"""The first line of a comment: the forge's side finds and replaces its own comment by it."""
MOST_STEPS, MOST_CHANGES, LONGEST = 60, 10, 60_000
"""Forges refuse comments of more than about 65,000 characters."""


def comment(plan: Plan, diagnostics: Iterable[Diagnostic] = ()) -> str:
    """The whole comment for one environment."""
    text = "\n".join(_lines(plan, tuple(diagnostics))) + "\n"
    if len(text) <= LONGEST:
        return text
    cut = text[:LONGEST].rsplit("\n", 1)[0]
    fence = "\n```" if cut.count("```") % 2 else ""
    folds = "\n</details>" * (cut.count("<details>") - cut.count("</details>"))
    return f"{cut}{fence}{folds}\n\n_The plan goes on: `trueup plan {plan.environment}` shows all of it._\n"


def invalid(diagnostics: Iterable[Diagnostic], read_line: Callable[[str, int], str | None]) -> str:
    """The comment where the specs have errors."""
    found = tuple(diagnostics)
    errors = sum(d.severity is Severity.ERROR for d in found)
    lines = [MARKER.format(environment="*"), f"## Trueup: the specs have {plural(errors, 'error')}", ""]
    for diagnostic in found:
        lines += list(_diagnostic(diagnostic))
        place = diagnostic.location
        if place.line and (source := read_line(place.file, place.line)):
            lines.append(f"  ```yaml\n  {source.strip()}\n  ```")
    return "\n".join(lines) + "\n"


def _lines(plan: Plan, diagnostics: tuple[Diagnostic, ...]) -> Iterator[str]:
    yield MARKER.format(environment=plan.environment)
    yield f"## Trueup plan: `{plan.environment}`"
    yield ""
    yield f"**{headline(plan).partition(': ')[2]}**" + (f" At `{short(plan.commit)}`." if plan.commit else "")
    yield from _problems(plan, diagnostics)
    yield from _specs(plan.changes)
    yield from _evidence(plan)
    yield from _steps(plan)
    yield from _unapplied(plan)
    yield from _approvals(plan)


def _problems(plan: Plan, diagnostics: tuple[Diagnostic, ...]) -> Iterator[str]:
    found = [line for d in diagnostics for line in _diagnostic(d)]
    for verdict in plan.evidence.verdicts:
        if not verdict.allowed:
            what = "⛔ Policy" if verdict.level == "mandatory" else "⚠️ Policy"
            found.append(f"- {what} `{verdict.policy}` on `{verdict.object}`: {_inline(verdict.message)}")
    losing = [s for s in plan.steps if s.holds_data and s.action in (Action.DELETE, Action.REPLACE)]
    found += [f"- ⛔ **Data is lost**: {s.action.value} of `{s.origin}` ({s.address.type})" for s in losing]
    if found:
        yield ""
        yield from found


def _diagnostic(diagnostic: Diagnostic) -> Iterator[str]:
    sign = "⛔" if diagnostic.severity is Severity.ERROR else "⚠️"
    where = f" (`{diagnostic.location}`)" if diagnostic.location.file else ""
    yield f"- {sign} `{diagnostic.code}` {_inline(diagnostic.summary)}{where}"
    if diagnostic.fix:
        yield f"  {_inline(diagnostic.fix)}"


def _specs(changes: tuple[SpecChange, ...]) -> Iterator[str]:
    if not changes:
        return
    yield ""
    yield "| | spec | change | what |"
    yield "|---|---|---|---|"
    for change in changes[:MOST_STEPS]:
        category = (
            ""
            if change.change == "added"
            else f"**{change.category.value}**"
            if _breaking(change)
            else change.category.value
        )
        paths = ", ".join(f"`{p}`" for p in change.paths[:6])
        what = _cell(f"{change.detail} {paths}".strip())
        yield f"| {change.change} | `{change.key}` | {category} | {what} |"
    if len(changes) > MOST_STEPS:
        yield f"| | … and {len(changes) - MOST_STEPS} more | | |"


def _breaking(change: SpecChange) -> bool:
    return change.category is Category.BREAKING


def _evidence(plan: Plan) -> Iterator[str]:
    found = plan.evidence
    lines = []
    if found.runs:
        runs = ", ".join(f"`{n}`{f' (about {duration(s)})' if s else ''}" for n, s in found.runs)
        lines.append(f"- **Runs**: {runs}")
    if found.downstream:
        lines.append(f"- **Downstream**: {', '.join(f'`{d}`' for d in found.downstream)}")
    if found.drift:
        lines.append(f"- **Drift**: {', '.join(f'`{d}`' for d in found.drift)}")
    if lines:
        yield ""
        yield from lines


def _steps(plan: Plan) -> Iterator[str]:
    if not plan.steps:
        return
    yield ""
    yield f"<details><summary>{plural(len(plan.steps), 'step')}</summary>"
    yield ""
    yield "```diff"
    shown = sorted(plan.steps, key=lambda s: s.address.stack)[:MOST_STEPS]
    for stack, steps in groupby(shown, key=lambda s: s.address.stack):
        yield f"@@ {stack} @@"
        for step in steps:
            yield from _step(step)
    if len(plan.steps) > MOST_STEPS:
        yield f"  … and {len(plan.steps) - MOST_STEPS} more"
    yield "```"
    yield "</details>"


def _step(step: Step) -> Iterator[str]:
    mark = {"+": "+", "-": "-"}.get(SIGNS[step.action], "!")
    notes = step_notes(step)
    reason = f"  ({'; '.join(notes)})" if notes else ""
    yield f"{mark} {step.action.value} {step.address.type} {step.address.name}{reason}".replace("```", "ʼʼʼ")
    if step.action is Action.CREATE and step.changes and not step.changes[0].path:
        return
    changes = meaningful(step)
    for change in changes[:MOST_CHANGES]:
        yield f"!     {change_text(change)}".replace("```", "ʼʼʼ").replace("\n", " ")
    if len(changes) > MOST_CHANGES:
        yield f"!     … and {plural(len(changes) - MOST_CHANGES, 'more change')}"


def _unapplied(plan: Plan) -> Iterator[str]:
    if plan.evidence.unapplied:
        yield ""
        yield f"<details><summary>Merged before, not applied yet: {len(plan.evidence.unapplied)}</summary>"
        yield ""
        yield from (f"- {_change(c)}" for c in plan.evidence.unapplied[:MOST_STEPS])
        if len(plan.evidence.unapplied) > MOST_STEPS:
            yield f"- … and {len(plan.evidence.unapplied) - MOST_STEPS} more"
        yield ""
        yield "</details>"


def _change(change: SpecChange) -> str:
    """A changed spec in words: a sign after the dash of a list would begin another list."""
    paths = ", ".join(f"`{p}`" for p in change.paths[:6])
    return _inline(f"{change.change} `{change.key}` {change.detail} {paths}")


def _approvals(plan: Plan) -> Iterator[str]:
    required = plan.evidence.approvals_required
    if required and plan.seal:
        teams = ", ".join(f"`{t}`" for t in plan.evidence.approvers) or "any team"
        yield ""
        yield f"**Approvals**: {required} needed, of {teams}: `trueup approve {plan.environment}`."
    if plan.seal:
        yield ""
        yield f"<sub>Seal `{plan.seal_digest[:16]}` over {plural(_effects(plan.seal), 'effect')}. It holds over a squash merge.</sub>"


def _effects(seal: tuple[SealEntry, ...]) -> int:
    return len(seal)


def _inline(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")


def _cell(text: str) -> str:
    return _inline(text).replace("|", "\\|")
