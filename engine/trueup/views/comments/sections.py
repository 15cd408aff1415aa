"""One environment of a plan's comment, folded: specs, steps, runs, lineage, policies, drift, what was merged before. Called by `plan`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from trueup.plan.values import Category, Plan, SpecChange, Verdict
from trueup.views.comments import risks
from trueup.views.comments.blocks import Block, Fold, Items, Paragraph, Table
from trueup.views.comments.details import Detail
from trueup.views.comments.escaping import cell, code, html_code, prose
from trueup.views.comments.headlines import listed
from trueup.views.comments.lineages import graph
from trueup.views.comments.risks import BLOCKED, CALM, WARNED
from trueup.views.comments.steps import previews, stacks
from trueup.views.comments.values import EnvironmentPlan, ReadLine
from trueup.views.words import duration, plural
from trueup_specs.core.diagnostics import Diagnostic, Severity

_CATEGORIES = (Category.BREAKING, Category.NON_BREAKING, Category.METADATA)
_SIGNS = {Severity.ERROR: BLOCKED, Severity.WARNING: WARNED, Severity.NOTE: "ℹ️"}


def environment(found: EnvironmentPlan, detail: Detail, read_line: ReadLine) -> Fold:
    """The fold of one environment."""
    plan = found.plan
    lacking = risks.missing(found)
    notes = [plural(risks.errors(found), "error")] if risks.errors(found) else []
    if warnings := sum(d.severity is Severity.WARNING for d in found.diagnostics):
        notes.append(plural(warnings, "warning"))
    if lacking and plan.steps:
        notes.append("approval missing")
    title = f"{risks.sign(found)} <b>{html_code(plan.environment)}</b>: {' · '.join((risks.headline(plan), *notes))}"
    return Fold(title, tuple(_blocks(found, detail, read_line)))


def _blocks(found: EnvironmentPlan, detail: Detail, read_line: ReadLine) -> Iterator[Block]:
    plan = found.plan
    if not plan.steps and not plan.changes:
        yield Paragraph("Nothing to do: what is applied is what the specs say.")
    refused = [_refused(v) for v in plan.evidence.verdicts if not v.allowed]
    yield Items((*refused[: detail.rows], *diagnostics(found.diagnostics, read_line, detail.rows)))
    yield from _specs(plan, detail)
    yield from _steps(plan, detail)
    yield from _runs(plan, detail)
    drawing = graph(found, detail.nodes)
    if drawing is not None:
        key = "Orange: changed here. Green: new. Red: removed. Dotted: reached by them."
        yield Fold("Lineage of what is touched", (drawing, Paragraph(f"<sub>{key}</sub>")))
    elif found.edges and plan.changes and not detail.nodes:
        yield Paragraph("The lineage graph is left out, since the plan is long; `trueup graph` draws it.")
    yield from _policies(plan.evidence.verdicts, detail)
    yield from _others(found, detail)


def diagnostics(found: Iterable[Diagnostic], read_line: ReadLine, most: int) -> Iterator[str]:
    """One item each: what, where, the line itself, what to do."""
    ordered = sorted(found, key=lambda d: list(_SIGNS).index(d.severity))
    for diagnostic in ordered[:most]:
        place = diagnostic.location
        where = f"<br>{code(str(place))}" if place.file else ""
        source = read_line(place.file, place.line) if place.line else None
        line = f": {code(source)}" if source and source.strip() else ""
        fix = f"<br>→ {prose(diagnostic.fix)}" if diagnostic.fix else ""
        yield f"{_SIGNS[diagnostic.severity]} **{code(diagnostic.code)}** {prose(diagnostic.summary)}{where}{line}{fix}"
    if len(ordered) > most:
        yield f"… and {len(ordered) - most} more"


def _refused(verdict: Verdict) -> str:
    sign, says = (BLOCKED, "refuses") if verdict.level == "mandatory" else (WARNED, f"({verdict.level}) objects to")
    why = f": {prose(verdict.message)}" if verdict.message else ""
    return f"{sign} Policy {code(verdict.policy)} {says} {code(verdict.object)}{why}"


def _specs(plan: Plan, detail: Detail) -> Iterator[Block]:
    direct = sorted(plan.changes, key=lambda c: (c.change == "added", _CATEGORIES.index(c.category), c.key))
    if direct:
        yield Paragraph(f"**Specs changed here** ({_counted(direct)})")
        rows = tuple(_spec(c, detail) for c in direct[: detail.rows])
        more = ((f"… and {len(direct) - len(rows)} more", "", "", ""),) if len(rows) < len(direct) else ()
        yield Table(("spec", "change", "means", "what"), rows + more)
    indirect = dict.fromkeys((*plan.evidence.downstream, *(s.origin for s in plan.steps if not s.direct)))
    changed = {c.key for c in plan.changes}
    if reached := [k for k in indirect if k not in changed]:
        yield Paragraph(
            f"**Reached indirectly**, their own specs are as they were: {listed((code(k) for k in reached), 1500)}"
        )


def _counted(changes: Sequence[SpecChange]) -> str:
    added = sum(c.change == "added" for c in changes)
    numbers = {c.value: sum(x.category is c and x.change != "added" for x in changes) for c in _CATEGORIES}
    return ", ".join(f"{n} {what}" for what, n in {**numbers, "new": added}.items() if n)


def _spec(change: SpecChange, detail: Detail) -> tuple[str, ...]:
    category = "" if change.change == "added" else change.category.value
    if change.category is Category.BREAKING and category:
        category = f"**{category}**"
    paths = ", ".join(cell(p) for p in change.paths[: detail.paths])
    more = f" and {len(change.paths) - detail.paths} more" if len(change.paths) > detail.paths else ""
    said = prose(change.detail, in_cell=True) if change.detail else ""
    return (cell(change.key), change.change, category, f"{said} {paths}{more}".strip())


def _steps(plan: Plan, detail: Detail) -> Iterator[Block]:
    if plan.steps:
        yield Paragraph(f"**Steps** ({risks.counts(plan.steps)})")
        yield from stacks(plan.steps, detail)


def _runs(plan: Plan, detail: Detail) -> Iterator[Block]:
    runs = plan.evidence.runs
    if runs:
        yield Paragraph("**Runs** that this starts")
        rows = tuple((cell(n), duration(s) or "not known yet") for n, s in runs[: detail.rows])
        yield Table(("trains", "expected to take"), rows)


def _policies(verdicts: tuple[Verdict, ...], detail: Detail) -> Iterator[Block]:
    if not verdicts:
        return
    names = dict.fromkeys(v.policy for v in verdicts)
    refused = {v.policy for v in verdicts if not v.allowed}
    rows = []
    for name in sorted(names, key=lambda n: (n not in refused, n)):
        own = [v for v in verdicts if v.policy == name]
        against = [v.object for v in own if not v.allowed]
        objects = listed((cell(o) for o in against), 600) if against else plural(len(own), "object")
        sign = (BLOCKED if own[0].level == "mandatory" else WARNED) if against else CALM
        rows.append((f"{sign} {'refuses' if against else 'passes'}", cell(name), cell(own[0].level), objects))
    title = f"Policies: {len(names) - len(refused)} of {len(names)} pass"
    yield Fold(title, (Table(("", "policy", "level", "about"), tuple(rows[: detail.rows])),))


def _others(found: EnvironmentPlan, detail: Detail) -> Iterator[Block]:
    plan = found.plan
    if plan.evidence.drift:
        items = tuple(f"🔀 {code(d, 300)}" for d in plan.evidence.drift[: detail.rows])
        yield Fold(f"Drift: {plural(len(plan.evidence.drift), 'resource')} not as applied", (Items(items),))
    if plan.evidence.cost.notes and detail.rows:
        items = tuple(prose(n) for n in plan.evidence.cost.notes[: detail.rows])
        yield Fold(f"Not in the cost: {plural(len(plan.evidence.cost.notes), 'resource')}", (Items(items),))
    if found.preview and detail.preview:
        yield Fold("What the providers say (Pulumi preview)", tuple(previews(found.preview)))
    if plan.evidence.unapplied:
        items = tuple(_change(c, detail) for c in plan.evidence.unapplied[: detail.rows])
        yield Fold(f"Merged before, not applied yet: {plural(len(plan.evidence.unapplied), 'spec')}", (Items(items),))
    lacking = risks.missing(found)
    if plan.seal and (lacking or found.approved):
        lines = [f"{CALM} {prose(a)}" for a in found.approved] + [f"{WARNED} missing: {prose(m)}" for m in lacking]
        yield Paragraph("**Approvals**: approve this pull request, or " + code(f"trueup approve {plan.environment}"))
        yield Items(tuple(lines[: detail.rows]))


def _change(change: SpecChange, detail: Detail) -> str:
    paths = ", ".join(code(p) for p in change.paths[: detail.paths])
    said = f" {prose(change.detail)}" if change.detail else ""
    return f"{change.change} {code(change.key)}{said} {paths}".rstrip()
