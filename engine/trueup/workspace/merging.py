"""What is merged and not applied yet: the base branch's tip, the ledger as the remote has it, the order of commits, the reviews.

Called by `trueup ci apply`. Nothing is checked out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from trueup.approve.reviews import Found, Merge
from trueup.exits import DENIED, NOTHING_SELECTED, STALE, UNREACHED, USAGE
from trueup.forge.values import Forge, ForgeError
from trueup.load import git, trees
from trueup.record import exchange
from trueup.record.anchor import Anchor
from trueup.record.events import DONE, Event, EventKind, LedgerError
from trueup.resolve.environments import environments
from trueup.validate.validation import documents as read_documents
from trueup.workspace import joining, operating, pulling, reviewing, telling
from trueup.workspace.joining import Joined
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import Prepared, by_key

SEARCHED = 50
"""Commits of the base branch that are asked for the ledger's anchor, newest first: an apply anchors it at the tip of its time."""


def chosen(workspace: Workspace, commit: str, asked: Sequence[str]) -> tuple[str, ...]:
    """The environments to apply: those asked for, else all that the commit has. Raises WorkspaceError where there is none."""
    tree = trees.revision(workspace.repository, commit, workspace.prefix)
    if tree is None:
        raise WorkspaceError(
            f"Git has no revision {commit!r} here that holds the workspace. Fetch it: `git fetch --unshallow`.",
            NOTHING_SELECTED,
        )
    names = tuple(asked) or tuple(environments(by_key(read_documents(tree))))
    if not names:
        raise WorkspaceError(f"The commit {commit[:10]} has no environment, so nothing was applied.", NOTHING_SELECTED)
    return names


def exchange_ledger(workspace: Workspace, remote: str) -> exchange.Exchanged:
    """Makes the ledger the same here and at the remote, before anything is compared with it. Raises WorkspaceError."""
    try:
        return exchange.sync(workspace.ledger, remote)
    except LedgerError as error:
        raise WorkspaceError(f"{error} Nothing was applied: a plan needs the ledger as it is now.", UNREACHED) from None


def check_anchor(workspace: Workspace, forge: Forge, tip: str) -> None:
    """Whether the ledger still holds what the forge's status saw of it. Raises WorkspaceError: on a cut or rewritten ledger, nothing that
    is recorded can be relied on; and ForgeError."""
    ledger = workspace.ledger
    known = telling.anchor_of(forge, first_parents(workspace, tip, SEARCHED), ledger.ref)
    newest = ledger.newest()
    if known is None or known.head == newest:
        return
    if newest and ledger.git.run("merge-base", "--is-ancestor", known.head, newest).returncode == 0:
        return
    raise WorkspaceError(
        f"The ledger does not hold its entry {known.sequence} ({known.head[:10]}), which a commit status on {forge.name} saw: its end was "
        "cut off, or it was written anew. Nothing was applied. `trueup audit verify --forge` says more; restore the branch from a clone.",
        DENIED,
    )


def told_anchor(workspace: Workspace) -> Anchor:
    """The ledger's anchor on the forge around. Raises WorkspaceError where there is none: nothing could be said of the end."""
    joined = joining.join(workspace)
    if joined is None:
        raise WorkspaceError(
            "No forge is named: set TRUEUP_FORGE, TRUEUP_FORGE_URL and TRUEUP_FORGE_TOKEN, or verify without --forge.",
            UNREACHED,
        )
    try:
        tip = joining.tip_of(workspace, joined)
        known = telling.anchor_of(joined.forge, first_parents(workspace, tip, SEARCHED), workspace.ledger.ref)
    except ForgeError as error:
        raise joining.as_problem(error) from None
    if known is None:
        raise WorkspaceError(
            f"None of the last {SEARCHED} commits of the base branch has a status {telling.LEDGER} on {joined.forge.name}, so nothing "
            "there vouches for the ledger's end. `trueup ci apply` writes it.",
            NOTHING_SELECTED,
        )
    return known


def given_anchor(workspace: Workspace, commit: str) -> Anchor:
    """An anchor that somebody kept: the full id of an entry. Its number is told where the entry is still here."""
    if not re.fullmatch(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", commit):
        raise WorkspaceError(f"{commit!r} is no full id of an entry: 40 or 64 hexadecimal digits.", USAGE)
    try:
        return Anchor(commit, workspace.ledger.entry(commit).sequence, workspace.ledger.ref)
    except LedgerError:
        return Anchor(commit, 0, workspace.ledger.ref)


def first_parents(workspace: Workspace, tip: str, most: int) -> list[str]:
    """The newest commits of a branch as it was merged, newest first."""
    found = git.run(workspace.repository, "rev-list", "--first-parent", f"--max-count={most}", tip, "--")
    return found.decode().split()


def check_order(workspace: Workspace, environment: str, commit: str) -> None:
    """Whether a commit is no older than what is applied. Raises WorkspaceError where it is: it would take back what was merged."""
    entry = workspace.ledger.last(environment, EventKind.APPLIED, outcome=DONE)
    applied = entry.event.commit if entry else ""
    if not applied or applied == commit or not pulling.there(workspace, applied):
        return
    if _before(workspace, commit, applied):
        raise WorkspaceError(
            f"{commit[:10]} is older than {applied[:10]}, which contains it and is applied to {environment}. Nothing was done. To go back, "
            f"use `trueup rollback {environment}`.",
            STALE,
        )


def _before(workspace: Workspace, older: str, newer: str) -> bool:
    return git.attempt(workspace.repository, "merge-base", "--is-ancestor", older, newer).returncode == 0


def settle_pin(workspace: Workspace, environment: str, commit: str) -> None:
    """Lifts a rollback's pin where the base branch says the same by now. Raises WorkspaceError where it does not: the pin holds."""
    pinned = workspace.ledger.recorded(namespaces=frozenset()).pins.get(environment)
    if pinned is None:
        return
    now, then = (trees.revision(workspace.repository, c, workspace.prefix) for c in (commit, pinned))
    if now is not None and then is not None and now.oid == then.oid:
        operating.unpin(workspace, environment, commit)
        return
    raise WorkspaceError(
        f"{environment} is pinned at {pinned[:10]} by a rollback, and the base branch says something else. Merge a revert, or lift the "
        f"pin: `trueup rollback {environment} --lift`.",
        DENIED,
    )


def advance(workspace: Workspace, environment: str, commit: str) -> None:
    """Records that a commit changes nothing in an environment: what was approved before it is spent, and its merges are not asked again."""
    entry = workspace.ledger.last(environment, EventKind.APPLIED, outcome=DONE)
    if entry is None or entry.event.commit != commit:
        why = "The commit changes nothing here."
        workspace.ledger.append(Event(EventKind.APPLIED, environment, commit, details={"effects": 0, "why": why}))


def merged(workspace: Workspace, prepared: Prepared, joined: Joined) -> tuple[Merge, ...]:
    """The pull requests that were merged since the environment was applied last, oldest first, with what was reviewed here to look at.

    Those into other branches do not count, though their commits came here by way of one: who agreed there did not agree to an apply.
    Raises ForgeError and WorkspaceError.
    """
    forge, remote = joined.forge, joined.remote
    found = tuple(reviewing.merges(workspace, prepared, forge, joining.base_of(workspace, joined)))
    wanted = frozenset(reviewing.missing(workspace, found))
    for merge in found:
        for commit in {r.commit for r in merge.reviews} & wanted:
            pulling.reviewed(workspace, remote, forge.name, merge.number, commit)
    return found


def judged(workspace: Workspace, prepared: Prepared, forge: Forge, merges: Sequence[Merge]) -> Found:
    """What the reviews come to; those that count are recorded. Raises ForgeError."""
    settings = (prepared.rules or prepared.catalog).settings.approvals
    if not prepared.plan.seal or not (settings.required or settings.rules):
        return Found()
    found = reviewing.judged(workspace, prepared, merges, forge.may_write)
    reviewing.record(workspace, prepared, found, forge.name)
    return found
