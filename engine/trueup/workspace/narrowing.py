"""Plans that look only where something can have changed. Called by the commands that show plans; the plan is the same as a whole one.

A workspace falls into cells (`validate/cells.py`). A cell whose files, data, code and recorded stacks are what an earlier plan saw, and
that was *idle* then (no step, no verdict, nothing to say), has nothing to add to this plan but the data sources it reads. The other
cells are planned by `planning.prepared`, the same function that plans everything. Whatever is out of the ordinary (an error, other
rules of the whole workspace) is planned whole.

Where nothing was learned, as for a pull request in a fresh clone or without a cache, what the last apply found (`quiet.py`) takes the
place of it, for cells that are as they were applied. Their files are not read but looked at (`validate/glances.py`): the apply judged
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from trueup.load.parts import Part
from trueup.load.specs import settings_in
from trueup.load.trees import Tree, path_of
from trueup.load.workspaces import FILE, Settings, chosen
from trueup.observe.facts import known_sources
from trueup.plan.values import Plan
from trueup.record.ledger import Stacks
from trueup.validate import glances
from trueup.validate import memory as memories
from trueup.validate.cells import Cells, Ties, cells, ties
from trueup.validate.memory import Cell, Memory, Source
from trueup.validate.spreading import without_collector
from trueup.validate.validation import parsed_files
from trueup.workspace import quiet
from trueup.workspace.opening import Workspace
from trueup.workspace.planning import Compared, InvalidSpecs, Prepared, last_applied, prepared
from trueup.workspace.quiet import Quiet
from trueup_specs.core.references import Key

_SHARED = "workspace"
"""The namespace of stacks of documents that have none."""
_FILE = b"100"
"""How the record of a regular file begins."""
_WORTH = 0.5
"""The share of the specs from which on everything is planned."""


def prepare_narrowly(workspace: Workspace, environment: str, tree: Tree, *, rules: Tree | None = None) -> Prepared:
    """What `planning.prepare` gives, but catalog and compilation may hold only what the plan is about.

    Raises InvalidSpecs and WorkspaceError.
    """
    with without_collector():
        compared = Compared(tree, rules, last_applied(workspace, environment))
        survey = _surveyed(workspace, environment, compared)
        if survey is None:
            return prepared(workspace, environment, compared, workspace.ledger.recorded())
        found = _narrowed(workspace, survey)
        whole = found is None
        if found is None:
            recorded = workspace.ledger.recorded(at=survey.stacks.commit)
            found = prepared(workspace, environment, compared, recorded)
        return survey.learned(found, whole)


def _narrowed(workspace: Workspace, survey: _Survey) -> Prepared | None:
    """The plan of the cells that matter; None where everything has to be planned."""
    if not survey.worthwhile:
        return None
    recorded = workspace.ledger.recorded(at=survey.stacks.commit, namespaces=survey.touched_namespaces)
    try:
        return prepared(workspace, survey.environment, survey.parts, recorded)
    except InvalidSpecs:
        return None  # what is wrong may be said with the names of other cells in it


def _surveyed(workspace: Workspace, environment: str, compared: Compared) -> _Survey | None:
    """What is known of the trees' files and cells; None where they cannot be told apart, or nothing may be known."""
    applied = compared.applied.tree
    if applied is None:
        return None
    trees = [t for t in (compared.head, compared.rules, compared.applied.tree) if t is not None]
    settings = {record for t in trees for record in _records_of(t, FILE)}
    if len(settings) != 1:
        return None
    place = memories.path_of(workspace.name, compared.head.prefix, settings.pop().decode())
    memory = memories.load(place) if memories.enabled() else Memory()
    learning = (
        memories.enabled() and compared.rules is None
    )  # who plans a tree of their own does so again, and wants it learned
    stacks = workspace.ledger.stacks()
    kept = None if memory.groups or learning else quiet.kept(compared.applied)
    before = workspace.ledger.stacks(at=kept.ledger) if kept is not None else stacks
    if before.clusters != stacks.clusters:
        kept = None  # what is lacking on a cluster may be of any namespace
    if kept is None and not memories.enabled():
        return None
    files = _Files.of(trees, memory, applied if kept is not None else None)
    if files is None:
        return None
    found = _Survey(environment, compared, stacks, place, memory, files, kept, _differing(before, stacks))
    return found if all(found.shared_of(t) == found.shared_of(compared.head) for t in trees) else None


def _differing(before: Stacks, now: Stacks) -> frozenset[str]:
    """The namespaces whose recorded stacks are not what they were."""
    return frozenset(id.namespace for id in {*before.oids, *now.oids} if before.oids.get(id) != now.oids.get(id))


def _records_of(tree: Tree, path: str) -> Iterator[bytes]:
    end = b"\t" + path.encode()
    return (record for record in tree.records() if record.endswith(end))


@dataclass(frozen=True)
class _Files:
    """The files of all trees: which are specs, and what each is tied to."""

    places: Mapping[bytes, int]
    """The place of a file's ties in `groups`; -1 for a file that is no spec."""
    groups: list[Ties]
    paths: Mapping[bytes, frozenset[str]]
    """What the files may name, of those that were read now."""
    sources: frozenset[bytes] = frozenset()
    """The files of the tree that was looked at that may be about data sources."""

    @classmethod
    def of(cls, trees: list[Tree], memory: Memory, right: Tree | None = None) -> _Files | None:
        """The files of some trees; those of `right` are known to be right, and only looked at where that tells enough.

        None where a spec is no right file by itself.
        """
        places, groups = memory.places(), memory.ties()
        paths: dict[bytes, frozenset[str]] = {}
        settings = settings_in(trees[0])
        sources = _glanced(right, settings, places, groups) if right is not None else frozenset()
        for tree in trees:
            unknown = {path_of(record): record for record in tree.records() if record not in places}
            specs = chosen(unknown, settings)
            parsed = parsed_files(tree, specs, settings)
            for path in specs:
                file = parsed.get(path)
                if file is None or file.diagnostics:
                    return None
                found = ties(file)
                record = unknown.pop(path)
                places[record], paths[record] = len(groups), found.paths
                groups.append(found)
            places.update(dict.fromkeys(unknown.values(), -1))
        return cls(places, groups, paths, sources)

    def ties(self, record: bytes) -> Ties | None:
        """What a file is tied to; None for one that is no spec."""
        place = self.places[record]
        return self.groups[place] if place >= 0 else None


def _glanced(tree: Tree, settings: Settings, places: dict[bytes, int], groups: list[Ties]) -> frozenset[bytes]:
    """Adds what looking at a tree's specs tells; gives those that may be about data sources."""
    records = {path_of(record): record for record in tree.records() if record.startswith(_FILE)}
    same: dict[Ties, int] = {}
    sources = set()
    for path, data in tree.read(chosen(records, settings)).items():
        if b"DataSource" in data or b"\\" in data:
            sources.add(records[path])
        if (found := glances.ties(data, settings.namespace)) is not None:
            place = places[records[path]] = same.setdefault(found, len(groups))
            if place == len(groups):
                groups.append(found)
    return frozenset(sources)


@dataclass(frozen=True)
class _Survey:
    """The cells of some trees, and which of them are idle."""

    environment: str
    compared: Compared
    stacks: Stacks
    place: Path
    memory: Memory
    files: _Files
    quiet: Quiet | None = None
    """What the last apply found, where nothing was learned."""
    moved: frozenset[str] = frozenset()
    """The namespaces whose recorded stacks changed since."""
    _oids: dict[str, str] = field(default_factory=dict)

    @cached_property
    def cells(self) -> Cells:
        used = {self.files.places[r] for r in self._everything} - {-1}
        return cells((self.files.groups[n] for n in used), {_SHARED, *(id.namespace for id in self.stacks.oids)})

    @cached_property
    def _everything(self) -> frozenset[bytes]:
        return frozenset().union(*(t.records() for t in self._trees))

    @property
    def _trees(self) -> list[Tree]:
        compared = self.compared
        return [t for t in (compared.head, compared.rules, compared.applied.tree) if t is not None]

    @cached_property
    def _shared_groups(self) -> frozenset[int]:
        return frozenset(n for n, g in enumerate(self.files.groups) if "" in g.namespaces)

    @cached_property
    def _roots(self) -> list[str]:
        """The cell of each group; empty for documents of the whole workspace."""
        return ["" if "" in g.namespaces else self.cells.of(min(g.namespaces, default="")) for g in self.files.groups]

    def shared_of(self, tree: Tree) -> str:
        """The digest of a tree's documents of the whole workspace."""
        groups, places = self._shared_groups, self.files.places
        return memories.content(r for r in tree.records() if places[r] in groups)

    @cached_property
    def _by_cell(self) -> dict[str, list[bytes]]:
        """The planned tree's specs by cell."""
        found: dict[str, list[bytes]] = {root: [] for root in self.cells.roots.values()}
        places, roots = self.files.places, self._roots
        for record in self.compared.head.records():
            if (place := places[record]) >= 0 and (root := roots[place]):
                found[root].append(record)
        return found

    @cached_property
    def _contents(self) -> dict[str, str]:
        return {root: memories.content(records) for root, records in self._by_cell.items()}

    @cached_property
    def touched(self) -> frozenset[str]:
        """The cells that have to be planned."""
        pinned = {self.cells.of(n) for g in self._shared_groups for n in self._names(self.files.groups[g])}
        head = self.compared.head.records()
        differing = {r for t in self._trees for r in head ^ t.records() if self.files.places[r] >= 0}
        changed = {self._roots[self.files.places[r]] for r in differing}
        rest = {root for root in self._by_cell if root not in pinned | changed and self.sources(root) is None}
        return frozenset((pinned | changed | rest | {_SHARED}) - {""})

    def _names(self, group: Ties) -> Iterator[str]:
        yield from (n for n in group.namespaces if n)
        yield from (n for n in group.mentioned if n in self.cells.roots)

    @property
    def worthwhile(self) -> bool:
        """Whether planning the touched cells alone is less work than planning all."""
        number = sum(len(records) for records in self._by_cell.values())
        return sum(len(self._by_cell.get(c, ())) for c in self.touched) <= number * _WORTH

    @property
    def touched_namespaces(self) -> frozenset[str]:
        """The namespaces whose stacks are needed."""
        return frozenset(n for n, root in self.cells.roots.items() if root in self.touched)

    @property
    def parts(self) -> Compared:
        """The trees with the touched cells, the documents of the whole workspace and everything that is no spec."""
        roots, places, touched = self._roots, self.files.places, self.touched

        def part(tree: Tree) -> Part:
            kept = [r for r in tree.records() if (p := places[r]) < 0 or not roots[p] or roots[p] in touched]
            return Part(tree, frozenset(kept))

        compared = self.compared
        assert compared.applied.tree is not None
        applied = replace(compared.applied, tree=part(compared.applied.tree))
        return Compared(part(compared.head), part(compared.rules) if compared.rules is not None else None, applied)

    @cached_property
    def _quiet(self) -> Mapping[str, list[Source]]:
        """The cells that the last apply found idle and that are as they were, with their data sources; those that are asked for theirs,
        and those in which an overlay may change them, do not count."""
        applied, head = self.compared.applied.tree, self.compared.head
        if self.quiet is None or applied is None:
            return {}
        places = self.files.places
        if any(places[record] < 0 for record in head.records() ^ applied.records()):
            return {}  # data or code: what names it is not known
        loud = {self.cells.of(name) for name in self.quiet.busy | self.moved}
        found: dict[str, list[Source]] = {root: [] for root in self._by_cell if root not in loud}
        files = {path_of(r): self._roots[places[r]] for r in self.files.sources & head.records()}
        wanted = [path for path, root in files.items() if root in found]
        for path, parsed in parsed_files(head, wanted, settings_in(head)).items():
            known = known_sources(parsed.documents, head, self.environment)
            if known is None:
                found.pop(files[path], None)
            elif files[path] in found:
                found[files[path]] += [(key.namespace, key.name, mark) for key, mark in known]
        return found

    def sources(self, root: str) -> list[Source] | None:
        """The data sources of a cell that is known to be idle; None where it is not."""
        if self.quiet is not None:
            return self._quiet.get(root)
        known = self.memory.cells.get(self._contents[root])
        return known.idle.get(self._read_of(root, known.paths)) if known is not None else None

    def _read_of(self, root: str, paths: Iterable[str]) -> str:
        """The digest of all that a plan reads of a cell beside its specs."""
        found = [self.environment, self._shared, *(f"{n}\t{oid}" for n, oid in sorted(self.stacks.clusters.items()))]
        found += (f"{path}\t{self._oid(path)}" for path in sorted(paths))
        found += self._stacks_by_cell.get(root, ())
        return memories.content(text.encode("utf-8", "surrogateescape") for text in found)

    @cached_property
    def _shared(self) -> str:
        return self.shared_of(self.compared.head)

    def _oid(self, path: str) -> str:
        if path not in self._oids:
            self._oids[path] = self.compared.head.tree_oid(path) or ""
        return self._oids[path]

    @cached_property
    def _stacks_by_cell(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for id, oid in self.stacks.oids.items():
            found.setdefault(self.cells.of(id.namespace), []).append(f"{id}\t{oid}")
        return found

    def learned(self, found: Prepared, whole: bool) -> Prepared:
        """The plan with the sources of idle cells; keeps which cells turned out to be idle."""
        own = _sources(found.plan)
        if memories.enabled() and (whole or self.quiet is None):
            self._keep(self._new_cells(found, self._by_cell if whole else self.touched, own))
        if whole:
            return found
        rest = [s for root in self._by_cell if root not in self.touched for s in self.sources(root) or ()]
        tree = self.compared.head
        made = {str(Key("DataSource", ns, name)): mark for ns, name, mark in sorted([*own, *rest])}
        return replace(found, tree=tree, plan=replace(found.plan, sources=made))

    def _new_cells(self, found: Prepared, planned: Iterable[str], sources: list[Source]) -> dict[str, Cell]:
        busy = self._busy(found)
        if busy is None:
            return {}
        by_cell: dict[str, list[Source]] = {}
        for source in sources:
            by_cell.setdefault(self.cells.of(source[0]), []).append(source)
        made = {}
        for root in planned:
            records = self._by_cell.get(root, [])
            if root in busy or not records:
                continue
            known = self.memory.cells.get(self._contents[root])
            paths = known.paths if known is not None else self._paths(records)
            if paths is not None:
                idle = {} if known is None else dict(list(known.idle.items())[-memories.MOST_RESULTS + 1 :])
                made[self._contents[root]] = Cell(paths, {**idle, self._read_of(root, paths): by_cell.get(root, [])})
        return made

    def _paths(self, records: Iterable[bytes]) -> list[str] | None:
        """What a cell's files may name; those that were read by an earlier process are read again."""
        found: set[str] = set()
        missing = []
        for record in records:
            if record in self.files.paths:
                found |= self.files.paths[record]
            else:
                missing.append(path_of(record))
        head = self.compared.head
        parsed = parsed_files(head, missing, settings_in(head))
        if any(p not in parsed or parsed[p].diagnostics for p in missing):
            return None
        return sorted(found.union(*(ties(parsed[p]).paths for p in missing)))

    def _busy(self, found: Prepared) -> frozenset[str] | None:
        """The cells that have a step, a verdict or something to say; None where something cannot be told to be of one cell."""
        prefix = f"{self.compared.head.prefix}/" if self.compared.head.prefix else ""
        files = (
            {path_of(r): root for root, records in self._by_cell.items() for r in records} if found.diagnostics else {}
        )
        names = quiet.busy(found, lambda file: (files.get(file.removeprefix(prefix), ""),))
        return frozenset(map(self.cells.of, names)) if names is not None else None

    def _keep(self, made: Mapping[str, Cell]) -> None:
        """Keeps what was learned, and forgets what is too much."""
        memory, read = self.memory, self.files
        if not made and not read.paths:
            return
        if all(memory.cells.get(c) == cell for c, cell in made.items()) and len(read.paths) * 20 < len(
            self._everything
        ):
            return
        kept: Mapping[bytes, int] = read.places
        if len(kept) > memories.SPARE * len(self._everything):
            kept = {r: read.places[r] for r in self._everything}
        memory.others = [r for r, place in kept.items() if place < 0]
        memory.groups = memories.grouped({r: read.groups[place] for r, place in kept.items() if place >= 0})
        memory.cells = {**memory.cells, **made}
        if len(memory.cells) > memories.SPARE * len(self._by_cell) + 20:
            current = set(self._contents.values())
            memory.cells = {c: cell for c, cell in memory.cells.items() if c in current or c in made}
        memories.store(self.place, memory)


def _sources(plan: Plan) -> list[Source]:
    found = ((Key.parse(key), mark) for key, mark in plan.sources.items())
    return [(key.namespace, key.name, mark) for key, mark in found]
