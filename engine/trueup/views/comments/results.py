"""What an apply came to, as a comment of the pull request that was merged. Called by `trueup ci apply`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup.apply.application import Outcome
from trueup.apply.outcome import StackResult
from trueup.views.comments import fitting, limits
from trueup.views.comments.blocks import Block, Fence, Fold, Items, Paragraph, Table, pieces
from trueup.views.comments.escaping import cell, code, html_code, line_of_fence, prose
from trueup.views.comments.headlines import NAME
from trueup.views.comments.limits import Limit
from trueup.views.comments.markers import Marker
from trueup.views.outcomes import AGAIN, RUN, VERBS
from trueup.views.words import duration, plural, short
from trueup_stacks.core.resources import Address

SAID = {
    "done": "Applied.",
    "nothing": "Nothing to do.",
    "vacant": "Nothing is selected.",
    "held": "Applied as far as the gates let: a version is held.",
    "waiting": "A run goes on: apply again when it has ended.",
    "partly": "Applied in part.",
    "failed": "Nothing was applied.",
    "denied": "Not applied: something is missing.",
    "locked": "Not applied: another apply is at work.",
    "stale": "Not applied: what was approved no longer holds.",
}
"""By outcome, as the exit codes name them."""
_SIGNS = {
    "done": "✅",
    "nothing": "✅",
    "vacant": "⚠️",
    "held": "⚠️",
    "waiting": "⏳",
    "denied": "⛔",
    "locked": "⏳",
    "stale": "⛔",
}
_NEXT = {
    "vacant": "The environment begins with the first document that becomes a resource there.",
    "held": "What is downstream of a held version stays as it is. A new version is judged anew; nothing has to be done for the old one.",
    "waiting": "The next apply goes on from there.",
    "partly": "Put right what failed; the next apply does what is left.",
    "failed": "Put right what failed, and apply again.",
    "denied": "Once it is there, apply again: nothing was changed.",
    "locked": "Apply again once it has ended.",
    "stale": "The difference must be approved before it is applied.",
}
_MOST = 500


@dataclass(frozen=True, slots=True)
class Result:
    """What an apply of one environment came to."""

    workspace: str
    environment: str
    outcome: str
    """A key of `SAID`."""
    commit: str = ""
    result: Outcome | None = None
    """Where something was tried."""
    held: Mapping[Address, Mapping[str, Any]] = field(default_factory=dict)
    """Gates that did not pass, with their outputs (`applying.Applied.held`)."""
    gates: Mapping[Address, Mapping[str, Any]] = field(default_factory=dict)
    """Gates that passed, with their outputs, where they are known."""
    refusals: tuple[str, ...] = ()
    """Why it was denied, as sentences."""
    approvals: tuple[str, ...] = ()
    """Who approved it, or what it rests on: one phrase each."""
    urls: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""
    """The ledger's entry."""
    job: str = ""
    """The address of the job's log: our own, so it is a link."""


def marker(workspace: str, environment: str) -> Marker:
    """The marker of the first body."""
    return Marker("result", workspace, environment)


def bodies(result: Result, limit: Limit = limits.GITHUB) -> tuple[str, ...]:
    """The bodies, the one that says what came of it first."""
    blocks = tuple(_blocks(result))

    def begin(part: int, parts: int) -> str:
        mark = Marker("result", result.workspace, result.environment, part)
        title = f"## {_SIGNS.get(result.outcome, '❌')} Trueup: {_title(result)}"
        more = f", part {part} of {parts}" if part > 1 else ""
        return f"{mark}\n{title}{more}\n"

    return fitting.divided(begin, pieces(blocks), _tail(result), limit, _rest)


def job_summary(result: Result) -> str:
    """The same as one text, for the summary of a job."""
    head = f"## {_SIGNS.get(result.outcome, '❌')} Trueup: {_title(result)}\n"
    return fitting.divided(lambda _a, _b: head, pieces(_blocks(result)), _tail(result), limits.JOB_SUMMARY, _rest, 1)[0]


def _title(result: Result) -> str:
    where = code(result.environment, NAME)
    said = {
        "done": f"applied to {where}",
        "nothing": f"nothing to do in {where}",
        "vacant": f"nothing is selected in {where}",
        "held": f"applied to {where} as far as its gates let",
        "waiting": f"{where} waits for a run that goes on",
        "partly": f"applied to {where} in part",
        "failed": f"nothing was applied to {where}",
        "denied": f"not applied to {where}: something is missing",
        "locked": f"not applied to {where}: another apply is at work",
        "stale": f"not applied to {where}: what was approved no longer holds",
    }
    return said.get(result.outcome, f"{where}: {prose(result.outcome)}")


def _rest(left: int) -> str:
    return f"\n_{left} more lines found no room here: the log of the job has them._\n"


def _tail(result: Result) -> str:
    parts = [f"specs at {code(short(result.commit))}"] if result.commit else []
    if result.result is not None:
        parts.append(f"took {duration(result.result.seconds)}")
    if result.entry:
        parts.append(f"ledger entry {code(result.entry[:16])} ({code(f'trueup audit show {result.entry[:16]}')})")
    if result.job.startswith("https://") and result.job.isascii() and not set(result.job) & set(" <>()[]\"'`|\\"):
        parts.append(f"[log of the job]({result.job})")
    return f"\n<sub>{'; '.join(parts)}.</sub>\n" if parts else ""


def _blocks(result: Result) -> Iterator[Block]:
    yield Items(tuple(_first(result)))
    for address, outputs in result.held.items():
        yield from _gate(address, outputs, held=True)
    if result.result is not None:
        yield from _failures(result.result)
        yield from _waiting(result, result.result)
    if _NEXT.get(result.outcome):
        yield Paragraph(f"**Next**: {_NEXT[result.outcome]}")
    if result.urls:
        rows = tuple((cell(n), cell(u)) for n, u in sorted(result.urls.items()))
        yield Paragraph("**Where it answers**")
        yield Table(("endpoint", "address"), rows)
    for address, outputs in result.gates.items():
        yield from _gate(address, outputs, held=False)
    if result.result is not None:
        yield from _done(result.result)


def _first(result: Result) -> Iterator[str]:
    yield from (f"⛔ {prose(r, 1200)}" for r in result.refusals[:_MOST])
    changed = [s for r in result.result.results for s in r.changed if s.status == "done"] if result.result else []
    if changed:
        verbs = [_verb(s.address, s.action) for s in changed]
        counts = {verb: verbs.count(verb) for verb in dict.fromkeys(verbs)}
        yield "**Done**: " + ", ".join(f"{n} {verb}" for verb, n in counts.items())
    if result.approvals:
        yield "**Approved by**: " + ", ".join(prose(a, 160) for a in result.approvals[:20])


def _verb(address: Address, action: str) -> str:
    return AGAIN if address.type == RUN and action == "replace" else VERBS.get(action, action)


def _gate(address: Address, outputs: Mapping[str, Any], *, held: bool) -> Iterator[Block]:
    """A gate's verdict with its numbers."""
    candidate, in_use = outputs.get("candidateVersion"), outputs.get("acceptedVersion")
    name = code(address.name, NAME)
    if held:
        kept = f"version {code(str(in_use))} stays in use" if in_use is not None else "no version is in use"
        yield Paragraph(f"⚠️ **Held**: version {code(str(candidate))} of {name} did not pass its gates; {kept}.")
    else:
        yield Paragraph(
            f"✅ Version {code(str(in_use if in_use is not None else candidate))} of {name} passed its gates."
        )
    rows = tuple(_check(c) for c in outputs.get("evidence") or () if isinstance(c, Mapping))
    yield Table(("verdict", "check"), rows)


def _check(check: Mapping[str, Any]) -> tuple[str, str]:
    verdict = str(check.get("verdict", ""))
    sign = {"pass": "✅ ", "passed": "✅ ", "fail": "❌ ", "failed": "❌ "}.get(verdict.lower(), "")
    text = str(check.get("text") or check.get("metric") or check.get("name") or "")
    return f"{sign}{prose(verdict, 40, in_cell=True)}", prose(text, in_cell=True)


def _failures(outcome: Outcome) -> Iterator[Block]:
    for stack in outcome.results:
        if stack.error:
            lines = tuple(line_of_fence(f"  {line}") for line in stack.error.splitlines() if line.strip())[:_MOST]
            yield Paragraph(f"❌ {code(str(stack.stack))} failed:")
            yield Fence("", lines)
    yield Items(tuple(f"Not tried: {code(str(b.stack))}, since {prose(b.reason)}" for b in outcome.blocked))
    yield Items(tuple(f"Put right in {code(str(s.stack))}: {prose(n)}" for s in outcome.results for n in s.recovered))


def _waiting(result: Result, outcome: Outcome) -> Iterator[Block]:
    found = {a: t for a, t in outcome.not_ready.items() if a not in result.held}
    yield Items(tuple(f"⏳ {code(a.name, NAME)} ({code(a.type)}) is not ready: {prose(t)}" for a, t in found.items()))


def _done(outcome: Outcome) -> Iterator[Block]:
    for stack in outcome.results:
        if stack.changed:
            lines = tuple(_steps(stack))
            title = (
                f"{html_code(str(stack.stack))}: {plural(len(stack.changed), 'resource')} in {duration(stack.seconds)}"
            )
            yield Fold(title, (Fence("diff", lines),))


def _steps(stack: StackResult) -> Iterator[str]:
    for step in stack.changed[:_MOST]:
        mark = {"create": "+", "delete": "-"}.get(step.action, "!")
        state = "" if step.status == "done" else f"  {step.status.upper()}"
        took = f"  ({duration(step.seconds)})" if step.seconds else ""
        error = f"  {step.error}" if step.error else ""
        verb = _verb(step.address, step.action)
        yield line_of_fence(f"{mark} {verb} {step.address.type} {step.address.name}{took}{state}{error}")
    if len(stack.changed) > _MOST:
        yield f"  … and {len(stack.changed) - _MOST} more"
