"""Who wrote what is planned, by the addresses in Git. Called by `coverage` and the workspace; reads commits and nothing else.

A merge that Git would make by itself has no author: the person who presses the button of a forge did not write what it merges. One
that settles a conflict, or brings in something else, has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trueup.load import git
from trueup.plan.values import Plan

ALL = "*"
"""In place of a commit: everything that is before."""
_FORM = "--format=%H%x1f%P%x1f%ae%x1f%(trailers:key=Co-authored-by,valueonly,separator=%x1e)"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, and the addresses of those who wrote it, in lower case."""

    id: str
    parents: tuple[str, ...]
    author: str
    """Whom Git names as the author; a signature can be theirs only."""
    authors: frozenset[str]
    """The author and those whom the message names as co-authors."""


def authors(repository: Path, plan: Plan, since: str) -> frozenset[str]:
    """The addresses of those who wrote what is planned: the plan's commit, and the commits after `since` that changed its specs.

    Co-authors that a squash merge names count as well.
    """
    if not plan.commit:
        return frozenset()
    files = sorted({c.location.file for c in plan.changes if c.location and c.location.file})
    return _of_tip(repository, plan.commit) | (written(repository, since, plan.commit, files) if files else frozenset())


def _of_tip(repository: Path, commit: str) -> frozenset[str]:
    tip = next(_log(repository, "-1", commit, "--"), None)
    if tip is None:
        return frozenset()
    if not automatic(repository, tip):
        return tip.authors
    first, second = tip.parents
    return written(repository, first, second)


def written(repository: Path, since: str, until: str, paths: Iterable[str] = ()) -> frozenset[str]:
    """The addresses of the authors of the commits after `since`, up to `until`; of those that touch `paths`, where some are given."""
    return frozenset(a for c in commits(repository, since, until, paths) for a in c.authors)


def commits(repository: Path, since: str, until: str, paths: Iterable[str] = ()) -> Iterator[Commit]:
    """The commits after `since` that someone wrote, newest first. None where `since` is empty or not known here; all for ALL."""
    if since:
        limits = (f":(top,literal){p}" for p in paths)
        reach = until if since == ALL else f"{since}..{until}"
        yield from (c for c in _log(repository, reach, "--", *limits) if not automatic(repository, c))


def touched(repository: Path, since: str, until: str) -> tuple[str, ...]:
    """The paths, from the repository's top, in which two commits differ (all for ALL); none where one is not known here."""
    if not since or not until:
        return ()
    told = ("ls-tree", "-r", "--full-tree") if since == ALL else ("diff", "--no-renames", "--no-ext-diff", since)
    done = git.attempt(repository, *told, "--name-only", "-z", until)
    return tuple(p.decode("utf-8", "surrogateescape") for p in done.stdout.split(b"\0") if p)


def automatic(repository: Path, commit: Commit) -> bool:
    """Whether a commit is a merge of two others exactly as Git makes it."""
    if len(commit.parents) != 2:
        return False
    made = git.attempt(repository, "merge-tree", "--write-tree", "--no-messages", *commit.parents)
    tree = git.attempt(repository, "rev-parse", "--verify", "--quiet", f"{commit.id}^{{tree}}")
    return made.returncode == 0 and made.stdout.split() == tree.stdout.split()


def _log(repository: Path, *arguments: str) -> Iterator[Commit]:
    done = git.attempt(repository, "log", "--no-show-signature", _FORM, *arguments)
    for line in done.stdout.decode("utf-8", "replace").split("\n"):
        parts = line.split("\x1f")
        if len(parts) == 4:
            named = [parts[2], *parts[3].split("\x1e")]
            yield Commit(
                parts[0], tuple(parts[1].split()), _address(parts[2]), frozenset(filter(None, map(_address, named)))
            )


def _address(text: str) -> str:
    inner = text.partition("<")[2].rpartition(">")[0] if "<" in text else text
    return inner.strip().lower()
