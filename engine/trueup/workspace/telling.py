"""Telling a forge what a job found: the one comment, statuses, remarks at lines, the job's summary, the ledger's anchor.

Called by the `ci` commands and the loop, after what is told was stored. Raises nothing that the forge does: what could not be told is given
back as sentences, so that one refusal does not keep the rest from being told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trueup.forge.values import Annotation, Forge, ForgeError, State
from trueup.record import anchor
from trueup.record.anchor import Anchor
from trueup.views.comments import limits, markers
from trueup.views.comments.markers import Create, Delete, Edit
from trueup.workspace.opening import Workspace

STATUS = "trueup/{}"
"""The context of an environment's commit status."""
LEDGER = "trueup/ledger"
"""The context of the status that anchors the ledger."""


@dataclass
class Teller:
    """One forge that is told things, and what it would not take."""

    forge: Forge
    problems: list[str] = field(default_factory=list)

    def _told(self, what: str, tell: Callable[[], object]) -> bool:
        try:
            tell()
        except ForgeError as error:
            self.problems.append(f"{what}: {error}")
            return False
        return True

    def comment(self, number: int, make: Callable[[str], Sequence[str]], marker: markers.Marker) -> bool:
        """Makes a pull request's comment what `make` gives, which gets its present body: edited in place, created where there is none."""

        def tell() -> None:
            me, there = self.forge.me(), tuple(self.forge.comments(number))
            for change in markers.edits(there, me, make(markers.current(there, me, marker))):
                match change:
                    case Create(body):
                        self.forge.comment(number, body)
                    case Edit(id, body):
                        self.forge.edit_comment(number, id, body)
                    case Delete(id):
                        self.forge.delete_comment(number, id)

        return self._told(f"The comment on pull request {number}", tell)

    def status(self, commit: str, environment: str, state: State, text: str, url: str = "") -> bool:
        """Sets an environment's commit status."""
        return self._status(commit, STATUS.format(environment), state, text, url)

    def _status(self, commit: str, context: str, state: State, text: str, url: str = "") -> bool:
        def tell() -> None:
            if self.forge.status(commit, context) != (state, text):
                self.forge.set_status(commit, context, state, text, url)

        return self._told(f"The status {context}", tell)

    def annotate(self, commit: str, title: str, ok: bool, summary: str, found: Sequence[Annotation]) -> bool:
        """Shows remarks at their lines, where the forge can."""
        return self._told("The check", lambda: self.forge.annotate(commit, title, ok, summary, found))

    def anchor(self, commit: str, workspace: Workspace) -> bool:
        """Writes the ledger's head into a commit status, so that a cut-off end or a rewritten branch is found from there."""

        ledger = workspace.ledger
        if not ledger.newest():
            return True
        entry = ledger.entry(ledger.newest())
        text = f"{entry.sequence} entries: {anchor.line(Anchor(entry.id, entry.sequence, ledger.ref))}"
        return self._status(commit, LEDGER, State.SUCCESS, text)


def anchor_of(forge: Forge, commits: Iterable[str], ref: str) -> Anchor | None:
    """The ledger's anchor in the newest of `commits` that has one. Raises ForgeError."""
    for commit in commits:
        found = forge.status(commit, LEDGER)
        if found is not None and (known := anchor.parse(found[1], ref)):
            return known
    return None


def limit_of(forge: Forge) -> limits.Limit:
    """How long a body may be."""
    return limits.BY_FORGE.get(forge.name, limits.Limit(forge.longest))


def summarise(file: Path | None, text: str) -> None:
    """Adds to the summary of the job, where the machine that runs it has one."""
    if file is not None:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(text if text.endswith("\n") else f"{text}\n")
