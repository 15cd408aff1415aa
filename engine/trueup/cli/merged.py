"""`trueup ci apply`: the base branch's tip, one environment after the other, as far as it is covered; then all are told. Called by `ci`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.approve.reviews import Found, Merge, unused
from trueup.cli import applied
from trueup.cli.failures import gravest, show_diagnostics
from trueup.cli.options import Form
from trueup.cli.terminal import emit_json, note
from trueup.exits import DENIED, HELD, INVALID, LOCKED, NOTHING_SELECTED, PARTLY, STALE, UNPUSHED, UNTOLD, WAITING
from trueup.forge.values import ForgeError
from trueup.record import exchange
from trueup.record.events import LedgerError
from trueup.views.comments import checks, results
from trueup.workspace import joining, merging, operating, permitting, telling, vacancy
from trueup.workspace.joining import Joined
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import InvalidSpecs, Prepared

PAUSE = 5.0
"""Seconds between two looks at whether another apply has ended."""
INVALID_SPECS = "The specs are not valid: the job's log has every problem with its line."
WORDS = {
    0: "done",
    NOTHING_SELECTED: "failed",
    INVALID: "failed",
    STALE: "stale",
    LOCKED: "locked",
    DENIED: "denied",
    HELD: "held",
    WAITING: "waiting",
    PARTLY: "partly",
}
"""What an exit code is called in results (`results.SAID`)."""


@dataclass(frozen=True)
class Request:
    """What is asked of an apply."""

    environments: tuple[str, ...]
    revision: str = ""
    confirm_deletes: bool = False
    wait: int = 0
    why: str = ""
    form: Form = Form.TEXT
    break_glass: str = ""


@dataclass
class Job:
    """One environment of the job, while it is worked on."""

    workspace: Workspace
    joined: Joined | None
    request: Request
    environment: str
    commit: str
    merges: tuple[Merge, ...] = ()
    found: Found = field(default_factory=Found)

    def judge(self, prepared: Prepared) -> Found:
        """The reviews of what was merged since the environment was applied last. Raises WorkspaceError where they cannot be read."""
        if self.joined is None:
            return self.found
        try:
            self.merges = merging.merged(self.workspace, prepared, self.joined)
            self.found = merging.judged(self.workspace, prepared, self.joined.forge, self.merges)
        except ForgeError as error:
            if _asks(prepared):
                raise joining.as_problem(error) from None
            note(f"not known which pull requests were merged: {error}")
        return self.found


def apply(workspace: Workspace, joined: Joined | None, request: Request) -> int:
    """Applies the environments; the exit code of the worst."""
    commit = _commit(workspace, joined, request)
    names = merging.chosen(workspace, commit, request.environments)
    if joined is None:
        note(
            "No forge is named: reviews do not count, nobody is told, and the ledger is pushed by `trueup audit sync` only."
        )
    done = [_one(Job(workspace, joined, request, name, commit)) for name in names]
    left = {} if request.environments else vacancy.forgotten(workspace, names)
    for text in left.values():
        note(text)
    # Where all were asked for, one that is declared in advance is said, and keeps no other from success.
    counted = [d for d in done if request.environments or not d.vacant] or done
    code = gravest([*(d.code for d in counted), *(PARTLY for _ in left)])
    if request.form is Form.JSON:
        emit_json({"commit": commit, "code": code, "environments": [d.form for d in done], "forgotten": left})
    return code


def _commit(workspace: Workspace, joined: Joined | None, request: Request) -> str:
    """The commit to apply, with the ledger as it is now."""
    from trueup.cli.selection import tree_of

    if joined is None:
        return tree_of(workspace, request.revision or "HEAD").commit
    tip = joining.tip_of(workspace, joined)
    merging.exchange_ledger(workspace, joined.remote)
    try:
        merging.check_anchor(workspace, joined.forge, tip)
    except ForgeError as error:
        raise joining.as_problem(error) from None
    return tree_of(workspace, request.revision).commit if request.revision else tip


@dataclass(frozen=True)
class _Done:
    """What one environment came to."""

    code: int
    vacant: bool
    form: dict[str, Any]
    """The same for machines."""


def _one(job: Job) -> _Done:
    """One environment, and what is told of it."""
    refusal, ended = "", None
    form: dict[str, Any] = {}
    try:
        ended = _applied(job, form.update)
        code = ended.code
        if code == 0 and ended.done is None:
            merging.advance(job.workspace, job.environment, job.commit)
    except WorkspaceError as error:
        note(f"error: {job.environment}: {error}")
        refusal, code = str(error), error.code
    except InvalidSpecs as error:
        show_diagnostics(error)
        refusal, code = INVALID_SPECS, INVALID
    if job.joined is not None:
        result = _result(job, code, ended, refusal)
        pushed = _pushed(job)
        code = _tell(job, job.joined, result, code, pushed)
    said = {"environment": job.environment, "outcome": WORDS.get(code, "failed")} | (
        {"error": refusal} if refusal else {}
    )
    return _Done(code, bool(ended and ended.vacant), {**said, **form, "code": code})


def _applied(job: Job, tell: Callable[[Any], None]) -> applied.Ended:
    """Waits for another apply as long as it may; each try plans anew, since the other has changed what is recorded."""
    give_up = time.monotonic() + job.request.wait
    while True:
        permitting.check_job(job.workspace, job.environment, job.commit)
        merging.check_order(job.workspace, job.environment, job.commit)
        merging.settle_pin(job.workspace, job.environment, job.commit)
        asked = applied.Request(
            job.environment,
            job.commit,
            confirm_deletes=job.request.confirm_deletes,
            why=job.request.why,
            yes=True,
            break_glass=job.request.break_glass,
        )
        ended = applied.run(job.workspace, asked, job.request.form, job.judge, tell)
        if ended.code != LOCKED or time.monotonic() + PAUSE > give_up:
            return ended
        note(f"{job.environment} is locked by another apply; trying again in {PAUSE:.0f} s.")
        time.sleep(PAUSE)


def _result(job: Job, code: int, ended: applied.Ended | None, refusal: str) -> results.Result:
    done = ended.done if ended else None
    refusals = [refusal] if refusal else []
    if ended is not None:
        refusals += [ended.vacant] if ended.vacant else []
        refusals += [r.text for r in ended.allowed.refusals]
        if code == INVALID:
            refusals.append(INVALID_SPECS)
        if code == DENIED:
            passed = (*job.found.passed, *unused(job.found, ended.allowed.approvals))
            refusals += [f"#{p.number}: {p.reason}" for p in passed]
    used = frozenset(ended.allowed.approvals) if ended else frozenset()
    return results.Result(
        job.workspace.name,
        job.environment,
        _named(ended, code),
        job.commit,
        done.result if done else None,
        done.held if done else {},
        done.gates if done else {},
        refusals=tuple(dict.fromkeys(refusals)),
        approvals=tuple(dict.fromkeys(c.person.user for c in job.found.counted if c.id in used)),
        urls=operating.urls(job.workspace.ledger.recorded(), job.environment) if done else {},
        entry=done.entry if done else "",
        job=job.joined.around.job_url if job.joined else "",
    )


def _named(ended: applied.Ended | None, code: int) -> str:
    """What an environment's end is called (`results.SAID`)."""
    if ended is not None and ended.vacant:
        return "vacant"
    if ended is not None and ended.done is not None and code != LOCKED:
        return ended.done.outcome
    return "nothing" if ended is not None and code == 0 else WORDS.get(code, "failed")


def _pushed(job: Job) -> bool:
    """Whether the ledger is at the remote now. It is pushed before anybody is told: what is told can be looked up."""
    assert job.joined is not None
    try:
        exchange.sync(job.workspace.ledger, job.joined.remote)
    except LedgerError as error:
        note(
            f"not pushed: {error} What was applied is recorded here: `trueup audit sync` pushes it, and so does the next job."
        )
        return False
    return True


def _tell(job: Job, joined: Joined, result: results.Result, code: int, pushed: bool) -> int:
    teller = telling.Teller(joined.forge)
    limit = telling.limit_of(joined.forge)
    marker = results.marker(job.workspace.name, job.environment)
    for merge in job.merges:
        teller.comment(merge.number, lambda _present: results.bodies(result, limit), marker)
    state, text = checks.result_status(result)
    teller.status(job.commit, job.environment, state, text, joined.around.job_url)
    if pushed:
        teller.anchor(job.commit, job.workspace)
    telling.summarise(joined.around.summary, results.job_summary(result))
    if job.merges:
        note(f"Told in {_numbers(job.merges)}: {result.outcome}.")
    for problem in teller.problems:
        note(f"not told: {problem}")
    return code or (UNPUSHED if not pushed else UNTOLD if teller.problems else 0)


def _numbers(merges: Sequence[Merge]) -> str:
    return ", ".join(f"#{m.number}" for m in merges)


def _asks(prepared: Prepared) -> bool:
    settings = (prepared.rules or prepared.catalog).settings.approvals
    return bool(prepared.plan.seal) and bool(settings.required or settings.rules)
