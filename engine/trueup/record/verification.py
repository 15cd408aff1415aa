"""Whether the ledger is as it was written. Called by `trueup audit verify`; reads a clone and nothing else, changes nothing.

Each entry is checked by itself (objects, statement, message, files, signature) and against the one before it (chain, sequence). An
end that was cut off and a whole that was written anew look right from within: only the anchor tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trueup.record import anchor, statements
from trueup.record.events import Entry, LedgerError
from trueup.record.findings import Problem, Report
from trueup.record.ledger import EVENT, Ledger, message, parents_of, seconds
from trueup.record.marks import Mark, judge
from trueup.record.objects import Object, Reader, tree_items


class _Damaged(Exception):
    """An object is not there, cannot be read, or is not what its id says."""


@dataclass(frozen=True, slots=True)
class _Link:
    """One commit of the chain, as far as it could be read."""

    id: str
    parents: tuple[str, ...] = ()
    entry: Entry | None = None
    mark: Mark = Mark.NONE
    problems: tuple[str, ...] = ()


def verify(ledger: Ledger, *elsewhere: anchor.Anchor) -> Report:
    """Checks every entry of the branch, from the newest to the first; `elsewhere` are anchors that are kept apart from the state (a forge's
    commit status). Raises LedgerError where there is no repository.
    """
    links = list(_links(ledger))
    problems = [Problem(link.id, text) for link in links for text in link.problems]
    problems += _chain(links)
    known = anchor.read(ledger.anchor) if ledger.anchor else None
    anchors = dict.fromkeys([*([known] if known else []), *elsewhere])
    for one in anchors:
        problems += _anchored(links, one)
    marks = [link.mark for link in links]
    return Report(
        head=links[0].id if links else "",
        entries=len(links),
        signed=marks.count(Mark.TRUSTED),
        unknown=marks.count(Mark.UNKNOWN),
        unchecked=marks.count(Mark.UNCHECKED),
        anchored=bool(anchors),
        problems=tuple(problems),
    )


def _links(ledger: Ledger) -> Iterator[_Link]:
    """The commits, newest first, until there is no parent or it cannot be read."""
    reader = _Objects(ledger)
    try:
        head = ledger.newest()
        while head:
            link = _link(ledger, reader, head)
            yield link
            head = link.parents[0] if link.parents else ""
    finally:
        reader.close()


def _link(ledger: Ledger, reader: _Objects, commit: str) -> _Link:
    try:
        made = reader.object(commit, "commit")
    except _Damaged as damage:
        return _Link(commit, problems=(f"The entry's commit {damage}. What came before it cannot be followed.",))
    parents = tuple(parents_of(made.data))
    problems = []
    if len(parents) > 1:
        problems.append("The entry's commit has several parents; the ledger writes one.")
    entry = None
    try:
        entry = _entry(ledger, reader, made, parents, problems)
    except _Damaged as damage:
        problems.append(f"Its content cannot be proved: {damage}.")
    mark = judge(ledger.git, commit, made.data)
    if mark is Mark.FALSE:
        problems.append(
            "Its signature does not fit: the entry was changed after it was signed, or the signature is another's."
        )
    return _Link(commit, parents, entry, mark, tuple(problems))


def _entry(
    ledger: Ledger, reader: _Objects, made: Object, parents: tuple[str, ...], problems: list[str]
) -> Entry | None:
    tree = _tree_of(made.data)
    before = _tree_of(reader.object(parents[0], "commit").data) if parents and reader.there(parents[0]) else ""
    files = _changed(reader, before, tree)
    body = reader.file(tree, EVENT)
    if problem := statements.check(body):
        problems.append(f"Its statement is no in-toto statement: {problem}.")
    try:
        entry = statements.entry_of(body, made.id)
    except LedgerError as error:
        problems.append(str(error))
        return None
    problems += _said(entry, made.data, body)
    problems += _files(entry, files)
    return entry


def _said(entry: Entry, commit: bytes, body: bytes) -> Iterator[str]:
    """Whether the commit says what the statement says."""
    head, _, text = commit.partition(b"\n\n")
    if text.decode("utf-8", "replace") != message(entry, body):
        yield "The commit's message does not fit its statement: one of them was changed."
    who = f"{entry.author} {seconds(entry)} +0000"
    for role in ("author", "committer"):
        if f"\n{role} {who}\n".encode() not in b"\n" + head + b"\n":
            yield f"The commit's {role} and time are not those of its statement ({who})."


def _files(entry: Entry, files: dict[str, bytes | None]) -> Iterator[str]:
    """Whether the entry wrote what it says, and nothing else."""
    written = {p: statements.digest(c) for p, c in files.items() if c is not None and p != EVENT}
    for path in sorted({*written, *entry.changed}):
        if written.get(path) != entry.changed.get(path):
            yield f"The file {path} is not as its statement says."
    removed = {p for p, c in files.items() if c is None}
    for path in sorted(removed ^ set(entry.removed)):
        yield f"The file {path} is not removed as its statement says."


def _chain(links: list[_Link]) -> Iterator[Problem]:
    """Whether each entry follows the one before it."""
    for position, link in enumerate(links):
        if link.entry is None:
            continue
        parent = link.parents[0] if link.parents else ""
        if link.entry.previous != parent:
            was = link.entry.previous or "nothing: it was the first"
            yield Problem(
                link.id,
                f"It follows {parent or 'nothing'}, but was written after {was}. One was dropped or put in.",
            )
        before = links[position + 1].entry if position + 1 < len(links) else None
        expected = before.sequence + 1 if before else 1
        if (before or not parent) and link.entry.sequence != expected:
            yield Problem(
                link.id,
                f"Its number is {link.entry.sequence}, and {expected} was to come. An entry was dropped or put in.",
            )


def _anchored(links: list[_Link], known: anchor.Anchor) -> Iterator[Problem]:
    """Whether what an anchor saw is still part of the ledger."""
    if any(link.id == known.head for link in links):
        return
    newest = next((link.entry for link in links if link.entry), None)
    if newest is None or newest.sequence < known.sequence:
        missing = known.sequence - (newest.sequence if newest else 0)
        yield Problem(
            "",
            f"The end is cut off: the anchor saw entry {known.sequence} ({known.head[:10]}), and {missing} are gone.",
        )
    else:
        yield Problem(
            "",
            f"The ledger was written anew: entry {known.sequence} was {known.head[:10]}, which it does not hold.",
        )


class _Objects:
    """Reads objects and proves them; starts Git's reader again where a damaged one ended it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._reader: Reader | None = None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.__exit__(None, None, None)
            self._reader = None

    def object(self, name: str, kind: str) -> Object:
        """An object by its id; raises _Damaged."""
        if self._reader is None:
            self._reader = Reader(self._ledger.git)
        try:
            found = self._reader.read(name)
        except LedgerError:
            self.close()
            raise _Damaged(f"the object {name} cannot be read") from None
        if found is None:
            raise _Damaged(f"the object {name} is not there")
        if found.type != kind or found.id != name or not found.intact:
            raise _Damaged(f"the object {name} is not what its id says")
        return found

    def there(self, name: str) -> bool:
        try:
            self.object(name, "commit")
        except _Damaged:
            return False
        return True

    def items(self, tree: str) -> dict[str, tuple[str, str]]:
        """The items of a tree; none for no tree."""
        return tree_items(self.object(tree, "tree").data, len(tree) // 2) if tree else {}

    def file(self, tree: str, name: str) -> bytes:
        """A file at the top of a tree; raises _Damaged."""
        found = self.items(tree).get(name)
        if found is None:
            raise _Damaged(f"the file {name} is not there")
        return self.object(found[1], "blob").data


def _tree_of(commit: bytes) -> str:
    return commit.split(b"\n", 1)[0].removeprefix(b"tree ").decode()


def _changed(reader: _Objects, before: str, after: str, folder: str = "") -> dict[str, bytes | None]:
    """The files that differ between two trees, with the content afterwards; None for those that went."""
    found: dict[str, bytes | None] = {}
    old, new = reader.items(before), reader.items(after)
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        path = f"{folder}{name}"
        folders = [i[1] if i and i[0] == "40000" else "" for i in (was, now)]
        if any(folders):
            found |= _changed(reader, folders[0], folders[1], f"{path}/")
        if was and not folders[0] and not (now and not folders[1]):
            found[path] = None
        if now and not folders[1]:
            found[path] = reader.object(now[1], "blob").data
    return found
