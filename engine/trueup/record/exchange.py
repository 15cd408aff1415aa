"""The ledger between clones: fetch, write own entries again on top of others', push. Called by `trueup audit sync` and by jobs.

No entry is ever dropped or forced over: what was written here and is not there yet is written again after what is there (the statement
says as what it was first written), the branch moves once all of it is, and only then it is pushed. A push that loses a race is tried
again; one that is refused leaves the entries here, for the next.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from trueup.record import anchor, replays
from trueup.record.events import Entry, LedgerError
from trueup.record.ledger import PATIENCE, Ledger, Tree
from trueup.record.objects import Reader

_LOST_RACE = ("non-fast-forward", "fetch first", "cannot lock ref", "failed to update ref", "incorrect old value")
_IN_HAND = ("cannot lock ref", "unable to update local ref")
"""What Git says where another fetch in the same clone has the same ref in hand."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What went where, in entries."""

    received: int = 0
    sent: int = 0
    replayed: int = 0
    """Own entries that were written again after the remote's."""


def sync(ledger: Ledger, remote: str = "origin") -> Exchanged:
    """Makes the branch the same here and at the remote (a name of Git's, or a URL), with all entries of both.

    Raises LedgerError where the remote cannot be reached or refuses; everything that was recorded here stays here.
    """
    total, give_up = Exchanged(), time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        theirs = _fetch(ledger, remote)
        if theirs is None or (done := _take(ledger, theirs)) is None:
            continue
        total = Exchanged(total.received + done.received, total.sent, total.replayed + done.replayed)
        own = ledger.head()
        if own == theirs:
            return total
        if _push(ledger, remote, own, theirs):
            return replace(total, sent=_count(ledger, theirs, own))
    raise LedgerError(
        f"Others pushed the ledger to {remote} at each try for {PATIENCE:.0f} s. Your entries are kept here: try again."
    )


def receive(ledger: Ledger, remote: str = "origin") -> Exchanged:
    """Fetches the remote's entries and pushes nothing: what a job may do that only reads. Raises LedgerError."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        theirs = _fetch(ledger, remote)
        if theirs is not None and (done := _take(ledger, theirs)) is not None:
            return done
    raise LedgerError(
        f"The ledger {ledger.ref} was changed by others here at each try for {PATIENCE:.0f} s. Try again."
    )


def _fetch(ledger: Ledger, remote: str) -> str | None:
    """The remote's newest entry, whose objects are here now; empty where it has no ledger, None where another fetch was in the way."""
    into = f"refs/trueup/fetched/{ledger.ref.removeprefix('refs/heads/')}"
    refspec = f"+{ledger.ref}:{into}"
    done = ledger.git.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, refspec)
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode and "couldn't find remote ref" in said:
        return ""
    if done.returncode and any(words in said for words in _IN_HAND):
        time.sleep(0.1)
        return None
    if done.returncode:
        raise LedgerError(f"The ledger cannot be fetched from {_reason(remote, said)} Your entries are kept here.")
    return ledger.git.text("rev-parse", "--verify", f"{into}^{{commit}}")


def _reason(remote: str, said: str) -> str:
    """The remote and what Git says of it in one line: the first, without the advice that follows it."""
    if "does not appear to be a git repository" in said:
        return (
            f"{remote}: Git knows no such remote. Name another with --remote, or add it: `git remote add {remote} URL`."
        )
    return f"{remote}: {(said.splitlines() or ['Git does not say why'])[0].rstrip('.')}."


def _take(ledger: Ledger, theirs: str) -> Exchanged | None:
    """Moves the branch here to hold both; None where another process moved it meanwhile."""
    own = ledger.head()
    if not theirs or own == theirs:
        return Exchanged()
    if own and _before(ledger, theirs, own):
        return Exchanged()
    received = _count(ledger, own, theirs)
    if not own or _before(ledger, own, theirs):
        if not ledger.git.move(ledger.ref, theirs, own):
            return None
        ledger.vouch(ledger.entry(theirs))
        return Exchanged(received=received)
    return _rewritten(ledger, own, theirs, received)


def _rewritten(ledger: Ledger, own: str, theirs: str, received: int) -> Exchanged | None:
    base = ledger.git.run("merge-base", own, theirs).stdout.decode().strip()
    mine = list(ledger.git.ids("--reverse", "--first-parent", f"{base}..{own}" if base else own))
    tip: Entry | None = None
    with Reader(ledger.git) as reader:
        for commit in mine:
            tip = _again(ledger, reader, commit, tip.id if tip else theirs)
    assert tip is not None
    if not ledger.git.move(ledger.ref, tip.id, own):
        return None
    if ledger.anchor:
        anchor.replace(ledger.anchor, own, tip, ledger.ref)
    return Exchanged(received=received, replayed=len(mine))


def _again(ledger: Ledger, reader: Reader, commit: str, onto: str) -> Entry:
    """An entry written again after `onto`; no ref is moved."""
    entry = ledger.entry(commit)
    before, after = (Tree(reader, c, entry.workspace) for c in (entry.previous, commit))
    return ledger.of(entry.workspace).write_after(
        reader, onto, entry, lambda now: replays.files(entry, before, after, now)
    )


def _push(ledger: Ledger, remote: str, own: str, theirs: str) -> bool:
    """Whether the remote took the entries; False where another was quicker."""
    done = ledger.git.run("push", "--porcelain", "--no-verify", remote, f"{own}:{ledger.ref}")
    if done.returncode == 0:
        return True
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    if any(words in said for words in _LOST_RACE):
        return False
    raise LedgerError(
        f"{remote} refuses the ledger: {said.strip()}. Your entries are kept here, and pushed with the next try."
    )


def _before(ledger: Ledger, older: str, newer: str) -> bool:
    return ledger.git.run("merge-base", "--is-ancestor", older, newer).returncode == 0


def _count(ledger: Ledger, older: str, newer: str) -> int:
    return len(ledger.git.ids("--first-parent", f"{older}..{newer}" if older else newer))
