"""The ledger: a Git branch of its own with one commit an event. Called by the façade; decides nothing.

The commit's tree holds the event as an in-toto statement (`event.json`) and, for each workspace of the repository, what is
recorded as applied: `<workspace>/stacks/…`, `pins/…`, `approvals/…`, `clusters/…`, `durations.json`. An append is compare-and-swap on the
ref, tried again on top of whatever another writer put there, so that nobody's entry is lost.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trueup.plan.recorded import Recorded, RecordedStack
from trueup.record import anchor, statements, states, updates
from trueup.record.events import DONE, Entry, Event, EventKind, LedgerError
from trueup.record.objects import Git, Object, Reader, tree_items
from trueup_stacks.core.resources import StackId

REF = "refs/heads/trueup/ledger"
EVENT = "event.json"
PATIENCE = 60.0
"""Seconds that an append goes on trying while others write."""
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@+-]*")

Change = Callable[["Tree"], updates.Files]
"""The files that an entry writes, given the newest tree."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One workspace's part of the ledger's tree at one commit; of no commit, it is empty."""

    reader: Reader
    commit: str
    workspace: str

    def read(self, path: str) -> bytes | None:
        """The content of a file, or None."""
        found = self.reader.read(f"{self.commit}:{self.workspace}/{path}") if self.commit else None
        return found.data if found and found.type == "blob" else None

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; empty where there is none."""
        return sorted(self.items(folder))

    def items(self, folder: str) -> dict[str, str]:
        """The ids of the objects in a folder, by name."""
        found = self.reader.read(f"{self.commit}:{self.workspace}/{folder}") if self.commit else None
        if found is None or found.type != "tree":
            return {}
        return {name: oid for name, (_, oid) in tree_items(found.data, len(found.id) // 2).items()}


@dataclass(frozen=True, slots=True)
class Stacks:
    """The recorded stacks at one commit of the ledger, by the ids of their files: equal ids are equal stacks."""

    commit: str
    """Empty where there is no ledger yet."""
    oids: Mapping[StackId, str]
    clusters: Mapping[str, str] = field(default_factory=dict)
    """The same of what each cluster was seen to have, by the file's name."""


class Ledger:
    """The ledger of one workspace. Usable by many processes at once; one thread at a time an object.

    `repository` is any folder of the Git repository, or a bare one; `workspace` the name in `trueup.yaml`; `remote` the Git
    remote whose fetched branch is read until this clone has one of its own; `anchor` the file beside the state that keeps the
    head; `sign` whether entries are signed (None: as `commit.gpgsign` says).
    """

    def __init__(
        self,
        repository: Path,
        workspace: str,
        *,
        ref: str = REF,
        remote: str | None = None,
        anchor: Path | None = None,
        sign: bool | None = None,
    ) -> None:
        self.git = Git(repository)
        self.workspace = workspace
        self.ref = ref
        self.remote = remote
        self.anchor = anchor
        self._sign = sign

    @property
    def fetched(self) -> str:
        """Where `git clone` and `git fetch` put the remote's ledger. A clone has only that one until it records something."""
        name = self.remote if self.remote and re.fullmatch(r"[\w.-]+", self.remote) else "origin"
        return self.ref.replace("refs/heads/", f"refs/remotes/{name}/", 1)

    def newest(self) -> str:
        """The id of the newest entry's commit, in this clone or as it was fetched; empty where there is no ledger yet."""
        return self.head() or self._commit_of(self.fetched)

    def head(self) -> str:
        """The id of the newest entry's commit of this clone's branch; empty where it has none."""
        return self._commit_of(self.ref)

    def _commit_of(self, ref: str) -> str:
        # Not peeled with `^{commit}`: Git calls a damaged commit no commit, and a damaged ledger is not an empty one.
        done = self.git.run("rev-parse", "--verify", "--quiet", ref)
        if done.returncode == 128:
            raise LedgerError(
                f"The folder {self.git.repository} is in no Git repository ({done.stderr.decode('utf-8', 'replace').strip()}). "
                "Run `git init` and commit the specs: Git is where Trueup records what it did."
            )
        return done.stdout.decode().strip()

    def exists(self) -> bool:
        """Whether anything was recorded in the repository yet."""
        return bool(self.newest())

    def append(self, event: Event, *changes: updates.Update) -> Entry:
        """Record an event and what it changes; returns the entry once the ref points to it.

        Raises LedgerError where Git refuses, a signature cannot be made, or other writers are quicker for a minute.
        """
        return self.write(event, lambda tree: updates.files_after(changes, tree.read))

    def write(self, event: Event, change: Change, replayed: str = "") -> Entry:
        """Record an event with files that are computed anew from the newest tree at each try."""
        event = replace(event, time=_moment(event.time), actor=event.actor or str(self.git.identity))
        give_up = time.monotonic() + PATIENCE
        with Reader(self.git) as reader:
            while True:
                own = reader.read(self.ref)
                entry = self._write_on(reader, own or reader.read(self.fetched), event, change, replayed)
                if self.git.move(self.ref, entry.id, own.id if own else ""):
                    break
                if time.monotonic() > give_up:
                    raise LedgerError(
                        f"The ledger {self.ref} was changed by others at each try for {PATIENCE:.0f} s, so the event "
                        f"{event.kind} is not recorded. Look for a stuck process or a stale `.lock` file in the refs folder."
                    )
                time.sleep(random.uniform(0.002, 0.04))
        self.vouch(entry)
        return entry

    def vouch(self, entry: Entry) -> None:
        """Move the anchor to an entry that follows the one it vouches for. Where it does not, the anchor stays: `verify` tells."""
        if self.anchor:
            anchor.write(self.anchor, entry, self.ref, self._follows)

    def _follows(self, entry: Entry, known: str) -> bool:
        return entry.previous == known or self.git.run("merge-base", "--is-ancestor", known, entry.id).returncode == 0

    def of(self, workspace: str) -> Ledger:
        """The ledger of another workspace on the same branch, without an anchor."""
        return (
            self
            if workspace == self.workspace
            else Ledger(self.git.repository, workspace, ref=self.ref, sign=self._sign)
        )

    def write_after(self, reader: Reader, commit: str, entry: Entry, change: Change) -> Entry:
        """Write an entry again after another commit, with the files that `change` gives; no ref is moved."""
        return self._write_on(reader, reader.read(commit), entry.event, change, entry.id)

    def _write_on(self, reader: Reader, head: Object | None, event: Event, change: Change, replayed: str) -> Entry:
        """Write the commit of an entry on top of `head`; the ref is not moved."""
        previous = head.id if head else ""
        tree = Tree(reader, previous, self.workspace)
        files = {**({} if replayed else _spent(event, tree)), **change(tree)}
        files = {p: c for p, c in files.items() if c != tree.read(p)}
        paths = {f"{self.workspace}/{p}": c for p, c in files.items()}
        for path in paths:
            if not _PATH.fullmatch(path) or ".." in path:
                raise LedgerError(
                    f"{path!r} is no path that the ledger can hold: use letters, digits, `.`, `_` and `-`."
                )
        entry = Entry(
            id="",
            previous=previous,
            sequence=self._sequence(reader, previous) + 1,
            workspace=self.workspace,
            event=event,
            changed={p: statements.digest(c) for p, c in paths.items() if c is not None},
            removed=tuple(sorted(p for p, c in paths.items() if c is None)),
            author=str(self.git.identity),
            replayed=replayed,
        )
        return self._commit(entry, paths)

    def _commit(self, entry: Entry, paths: updates.Files) -> Entry:
        body = statements.statement(entry)
        text, stamp, who = message(entry, body), seconds(entry), self.git.identity
        commit = self.git.commit({**paths, EVENT: body}, entry.previous, who, stamp, text)
        signed = who.sign if self._sign is None else self._sign
        if signed:
            commit = self.git.sign(commit, entry.previous, who, stamp, text)
        return statements.entry_of(body, commit, signed)

    def _sequence(self, reader: Reader, commit: str) -> int:
        if not commit:
            return 0
        found = reader.read(f"{commit}:{EVENT}")
        if found is None:
            raise LedgerError(
                f"The branch {self.ref} is no ledger: its commit {commit} has no {EVENT}. Name another branch, or restore this one."
            )
        return statements.entry_of(found.data, commit).sequence

    def entries(self, newest_first: bool = True, *, all_workspaces: bool = False) -> Iterator[Entry]:
        """The entries of this workspace, or of all that share the branch. Lazy: what is not asked for is not read."""
        with Reader(self.git) as reader:
            ids = self._newest_first(reader) if newest_first else iter(self._oldest_first())
            for commit in ids:
                entry = self._entry(reader, commit)
                if all_workspaces or entry.workspace == self.workspace:
                    yield entry

    def _newest_first(self, reader: Reader) -> Iterator[str]:
        found = self._newest(reader)
        while found:
            yield found.id
            parents = parents_of(found.data)
            found = reader.read(parents[0]) if parents else None

    def _oldest_first(self) -> list[str]:
        newest = self.newest()
        return list(self.git.ids("--reverse", "--first-parent", newest)) if newest else []

    def _newest(self, reader: Reader) -> Object | None:
        return reader.read(self.ref) or reader.read(self.fetched)

    def _entry(self, reader: Reader, commit: str) -> Entry:
        made, body = reader.read(commit), reader.read(f"{commit}:{EVENT}")
        if made is None or body is None:
            raise LedgerError(f"The ledger's commit {commit} has no {EVENT}. `trueup audit verify` says more.")
        return statements.entry_of(body.data, commit, signed=b"\ngpgsig" in made.data.partition(b"\n\n")[0])

    def entry(self, commit: str) -> Entry:
        """One entry, by its commit's id or the beginning of it. Raises LedgerError where there is none."""
        done = self.git.run("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
        if done.returncode or commit.startswith("-"):
            raise LedgerError(f"The ledger has no entry {commit}. `trueup audit log` lists them.")
        with Reader(self.git) as reader:
            return self._entry(reader, done.stdout.decode().strip())

    def stacks(self, at: str = "") -> Stacks:
        """Which stacks are recorded, without reading them; `at` is an entry's commit in place of the newest."""
        with Reader(self.git) as reader:
            head = reader.read(at) if at else self._newest(reader)
            tree = Tree(reader, head.id if head else "", self.workspace)
            oids = {_stack_id(name): oid for name, oid in tree.items("stacks").items()}
            return Stacks(tree.commit, oids, tree.items(updates.INVENTORIES))

    def recorded(
        self, environment: str | None = None, *, at: str = "", namespaces: frozenset[str] | None = None
    ) -> Recorded:
        """What is recorded as applied, of all environments or of one. One Git process; empty where there is no ledger.

        `at` is an entry's commit in place of the newest; `namespaces` are those whose stacks are read, by default all.
        """
        with Reader(self.git) as reader:
            head = reader.read(at) if at else self._newest(reader)
            if head is None:
                return Recorded()
            tree = Tree(reader, head.id, self.workspace)
            durations = tree.read(updates.DURATIONS)
            return Recorded(
                stacks={s.id: s for s in _stacks(tree, environment, namespaces)},
                head=head.id,
                pins=_pins(tree, environment),
                inventories=dict(_inventories(tree, environment)),
                durations=states.load(durations) if durations else {},
            )

    def approvals(self, environment: str) -> tuple[dict[str, Any], ...]:
        """The open approvals of an environment, as JSON: those given since its last completed apply."""
        with Reader(self.git) as reader:
            head = self._newest(reader)
            tree = Tree(reader, head.id if head else "", self.workspace)
            folder = updates.approvals_folder(environment)
            found = (tree.read(folder + name) for name in tree.names(folder.rstrip("/")))
            return tuple(states.load(data) for data in found if data is not None)

    def last(self, environment: str, *kinds: EventKind, outcome: str | None = None) -> Entry | None:
        """The newest entry of an environment of one of `kinds`, or None."""
        with closing(self.entries()) as entries:  # type: ignore[type-var]
            for entry in entries:
                event = entry.event
                if event.environment == environment and event.kind in kinds and outcome in (None, event.outcome):
                    return entry
        return None


def message(entry: Entry, body: bytes) -> str:
    """The commit's message; all of it follows from the statement, so that `verify` finds an altered one."""
    event = entry.event
    about = f" {event.stack}" if event.stack else ""
    outcome = "" if event.outcome == DONE else f": {event.outcome}"
    return (
        f"{event.kind} {event.environment}{about}{outcome}\n\nWorkspace: {entry.workspace}\n"
        f"Commit: {event.commit or 'none'}\nStatement: sha256:{statements.digest(body)}\n"
    )


def _moment(time: datetime | None) -> datetime:
    """A time as statements hold it: UTC, in milliseconds."""
    exact = (time or datetime.now(UTC)).astimezone(UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)


def seconds(entry: Entry) -> int:
    """The commit's time, in seconds since 1970."""
    assert entry.event.time is not None
    return int(entry.event.time.timestamp())


def parents_of(commit: bytes) -> list[str]:
    """The ids of a commit object's parents."""
    head = commit.partition(b"\n\n")[0].split(b"\n")
    return [line[7:].decode() for line in head if line.startswith(b"parent ")]


def _spent(event: Event, tree: Tree) -> updates.Files:
    """The approvals that a completed apply of an environment uses up."""
    if event.kind not in (EventKind.APPLIED, EventKind.DESTROYED) or event.outcome != DONE or event.stack:
        return {}
    folder = updates.approvals_folder(event.environment)
    return {folder + name: None for name in tree.names(folder.rstrip("/"))}


def _stack_id(name: str) -> StackId:
    return StackId.parse(name.removesuffix(".json"))


def _stacks(tree: Tree, environment: str | None, namespaces: frozenset[str] | None) -> Iterator[RecordedStack]:
    for name in tree.names("stacks"):
        stack = _stack_id(name)
        wanted = environment in (None, stack.environment) and (namespaces is None or stack.namespace in namespaces)
        data = tree.read(f"stacks/{name}") if wanted else None
        if data is not None:
            yield states.stack_of(states.load(data))


def _pins(tree: Tree, environment: str | None) -> dict[str, str]:
    wanted = {n.removesuffix(".json"): n for n in tree.names("pins")}
    data = {e: tree.read(f"pins/{n}") for e, n in wanted.items() if environment in (None, e)}
    return {e: states.load(d)["commit"] for e, d in data.items() if d is not None}


def _inventories(tree: Tree, environment: str | None) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for name in tree.names(updates.INVENTORIES):
        whose, _, cluster = name.removesuffix(".json").partition(".")
        data = tree.read(f"{updates.INVENTORIES}/{name}") if environment in (None, whose) else None
        if data is not None:
            yield (whose, cluster), states.load(data)
