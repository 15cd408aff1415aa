"""Which commit made a metric worse. Called by `trueup bisect`: recorded runs answer for free, and only what is missing is run.

A commit means a run: the one that its specs, code and data ask for, by fingerprint. Commits with the same fingerprint are the same run,
so that those which touch nothing of the model cost nothing. A commit whose data is not what is applied now cannot be run here, since
the run would read other data than it says; it is left out, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from trueup.compile.compilation import compile_catalog
from trueup.exits import NOTHING_SELECTED, USAGE
from trueup.load import git, trees
from trueup.load.trees import Tree
from trueup.observe.facts import facts
from trueup.plan.recorded import Recorded
from trueup.record import history
from trueup.record.events import Entry
from trueup.run import local
from trueup.workspace import naming, running
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import InvalidSpecs, by_key, catalog_of, prepare, validated
from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address

RUN = "trueup:run:Run"
AFTER = (RUN, "trueup:run:Gate", "trueup:registry:Alias", "trueup:serve:Service", "trueup:serve:Gateway")
"""What comes of a run and may differ from what is applied: the run reads nothing of it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One commit: its run and the metric there."""

    commit: str
    author: str = ""
    subject: str = ""
    run: str = ""
    """The fingerprint; empty where the commit asks for no run of the model."""
    value: float | None = None
    source: str = ""
    """`ledger`, `this machine`, `run now`; or, without a value, why there is none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the search came to."""

    metric: str
    model: str
    environment: str
    good: Point
    bad: Point
    """The first bad commit, as far as is known."""
    before: Point
    """The last good one before it."""
    between: tuple[Point, ...] = ()
    """Commits between the two whose run is not known: it may be one of them."""
    points: tuple[Point, ...] = ()
    """Every commit that was looked at, oldest first."""

    @property
    def settled(self) -> bool:
        """Whether it is surely this commit."""
        return not self.between


@dataclass
class _Search:
    workspace: Workspace
    environment: str
    model: Key
    metric: str
    runs: bool
    said: Callable[[str], None]
    known: dict[str, tuple[Mapping[str, float], str]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    """Commit → fingerprint, as the ledger has it."""
    points: dict[str, Point] = field(default_factory=dict)

    def point(self, commit: str, must: bool = False) -> Point:
        """The commit with its value; run now where it is missing and may be."""
        found = self.points.get(commit)
        if found is None or (must and found.value is None and not found.source):
            found = self.points[commit] = self._point(commit, must)
        return found

    def _point(self, commit: str, must: bool) -> Point:
        author, subject = _written(self.workspace, commit)
        tree = trees.revision(self.workspace.repository, commit, self.workspace.prefix)
        if tree is None:
            return Point(commit, author, subject, source="it does not hold the workspace")
        try:
            mark = self.marks.get(commit) or _fingerprint(self.workspace, self.environment, self.model, tree)
        except (InvalidSpecs, WorkspaceError) as error:
            return Point(commit, author, subject, source=f"it cannot be planned: {error}")
        if not mark:
            return Point(commit, author, subject, source=f"it does not train {self.model}")
        values, source = self._values(mark)
        if not values and must and self.runs:
            values, source = self._run(tree, mark)
        value = _value(values, self.metric)
        if values and value is None:
            close = nearest(self.metric, values)
            source = f"its run reports no {self.metric}" + (f"; did you mean {close}?" if close else "")
        return Point(commit, author, subject, mark, value, source)

    def _values(self, mark: str) -> tuple[Mapping[str, float], str]:
        if mark in self.known:
            return self.known[mark]
        status = local.status(self.workspace.home, mark)
        if status is not None and status.outcome == "succeeded":
            return status.metrics, "this machine"
        return {}, ""

    def _run(self, tree: Tree, mark: str) -> tuple[Mapping[str, float], str]:
        if other := _other_data(self.workspace, self.environment, self.model, tree):
            return {}, f"not run, since it reads what is not applied as it says: {other}"
        self.said(f"running {self.model} at {tree.commit[:10]}")
        try:
            status = running.run(
                self.workspace,
                self.environment,
                f"{self.model.namespace}/{self.model.name}",
                on_line=self.said,
                tree=tree,
            )
        except WorkspaceError as error:
            return {}, f"not run: {error}"
        if status.outcome != "succeeded":
            return {}, f"its run {status.outcome}: {status.reason}"
        self.known[mark] = (status.metrics, "run now")
        return self.known[mark]


def bisect(
    workspace: Workspace,
    metric: str,
    good: str,
    bad: str,
    *,
    model: str = "",
    environment: str = "",
    runs: bool = True,
    said: Callable[[str], None] = lambda _line: None,
) -> Found:
    """The first commit after `good` and up to `bad` at which the metric is nearer to the bad one's than to the good one's.

    Raises WorkspaceError where one of both has no value, or they do not differ.
    """
    first, *rest = commits = _commits(workspace, good, bad)
    environment, key = _subject(workspace, commits[-1], model, environment, metric)
    search = _Search(workspace, environment, key, metric, runs, said)
    search.known, search.marks = _recorded(workspace, environment, key)
    ends = [search.point(c, must=True) for c in (first, rest[-1])]
    for name, end in zip((good, bad), ends, strict=True):
        if end.value is None:
            raise WorkspaceError(
                f"{name} ({end.commit[:10]}) has no {metric} of {key}: {end.source or 'it was never run'}."
            )
    return _searched(search, commits, ends[0], ends[1])


def _searched(search: _Search, commits: list[str], good: Point, bad: Point) -> Found:
    assert good.value is not None and bad.value is not None
    if good.value == bad.value:
        raise WorkspaceError(
            f"{search.metric} is {good.value:.6g} at both commits, so there is nothing to find. Name others with --good and --bad."
        )
    low, high = 0, len(commits) - 1
    while left := [n for n in range(low + 1, high) if not search.points.get(commits[n]) or _open(search, commits[n])]:
        middle = min(left, key=lambda n: abs(n - (low + high) / 2))
        value = search.point(commits[middle], must=True).value
        if value is None:
            continue
        if abs(value - bad.value) < abs(value - good.value):
            high = middle
        else:
            low = middle
    between = tuple(search.points[c] for c in commits[low + 1 : high])
    seen = tuple(search.points[c] for c in commits if c in search.points)
    last, first = search.points[commits[low]], search.points[commits[high]]
    return Found(search.metric, str(search.model), search.environment, good, first, last, between, seen)


def _open(search: _Search, commit: str) -> bool:
    """Whether a commit that was looked at has a value, which only was not used yet."""
    return search.points[commit].value is not None


def _commits(workspace: Workspace, good: str, bad: str) -> list[str]:
    """The commits from `good` to `bad` along the branch, oldest first, both included."""
    ends = []
    for name in (good, bad):
        found = trees.revision(workspace.repository, name, "")
        if found is None:
            raise WorkspaceError(
                f"Git has no revision {name!r} here. A shallow clone may lack it: `git fetch --unshallow`.",
                NOTHING_SELECTED,
            )
        ends.append(found.commit)
    done = git.attempt(
        workspace.repository, "rev-list", "--reverse", "--first-parent", "--ancestry-path", f"{ends[0]}..{ends[1]}"
    )
    found_between = done.stdout.decode().split()
    if done.returncode or not found_between:
        raise WorkspaceError(f"{good} does not come before {bad}. Name the older commit with --good.", USAGE)
    return [ends[0], *found_between]


def _subject(workspace: Workspace, commit: str, model: str, environment: str, metric: str) -> tuple[str, Key]:
    """The environment and the model that are meant: the only ones, where they are not named."""
    tree = trees.revision(workspace.repository, commit, workspace.prefix)
    if tree is None:
        raise WorkspaceError(f"The commit {commit[:10]} does not hold the workspace.", NOTHING_SELECTED)
    documents = by_key(validated(tree))
    wanted = naming.model_in(documents, model) if model else None
    names = [environment] if environment else sorted(k.name for k in documents if k.kind == "Environment")
    found = [(n, k) for n in names for k in _trained(workspace, n, tree) if wanted in (None, k)]
    if len({k for _, k in found}) > 1:
        listed = ", ".join(sorted({f"{k.namespace}/{k.name}" for _, k in found}))
        raise WorkspaceError(f"Several models are trained: {listed}. Say whose {metric} is meant with --model.", USAGE)
    if not found:
        raise WorkspaceError(
            f"Nothing trains {wanted or 'a model'} in {environment or 'any environment'}.", NOTHING_SELECTED
        )
    return found[0]


def _trained(workspace: Workspace, environment: str, tree: Tree) -> Iterator[Key]:
    for address, (key, _) in _runs_of(workspace, environment, tree).items():
        assert address.type == RUN
        yield key


def _runs_of(workspace: Workspace, environment: str, tree: Tree) -> dict[Address, tuple[Key, str]]:
    """The runs that a commit asks for, with their fingerprints, whatever is recorded."""
    catalog = catalog_of(workspace, by_key(validated(tree)), environment)
    catalog = catalog.with_facts(facts(catalog.documents, tree, Recorded(), environment))
    resources = compile_catalog(catalog).resources()
    return {r.address: (r.origin, str(r.properties["fingerprint"])) for r in resources if r.address.type == RUN}


def _fingerprint(workspace: Workspace, environment: str, model: Key, tree: Tree) -> str:
    return next((mark for key, mark in _runs_of(workspace, environment, tree).values() if key == model), "")


def _recorded(
    workspace: Workspace, environment: str, model: Key
) -> tuple[dict[str, tuple[Mapping[str, float], str]], dict[str, str]]:
    """What the ledger knows: metrics by fingerprint, and the fingerprint of each commit that was applied."""
    known: dict[str, tuple[Mapping[str, float], str]] = {}
    marks: dict[str, str] = {}
    for change in history.blame(workspace.ledger, str(model), environment):
        mark = _run_of(workspace, change.entry, model)
        if mark and change.metrics:
            known.setdefault(mark, (change.metrics, "ledger"))
            if change.entry.event.outcome in ("done", "held") and change.entry.event.commit:
                marks.setdefault(change.entry.event.commit, mark)
    for entry in workspace.ledger.entries():
        details = entry.event.details
        if str(model) in (details.get("documents") or ()) and details.get("run") and details.get("metrics"):
            known.setdefault(str(details["run"]), (details["metrics"], "ledger"))
    return known, marks


def _run_of(workspace: Workspace, entry: Entry, model: Key) -> str:
    recorded = workspace.ledger.recorded(entry.event.environment, at=entry.id, namespaces=frozenset({model.namespace}))
    for stack in recorded.stacks.values():
        for address, resource in stack.resources.items():
            if address.type == RUN and resource.origin == str(model):
                return str(resource.outputs.get("runId") or resource.properties.get("fingerprint") or "")
    return ""


def _other_data(workspace: Workspace, environment: str, model: Key, tree: Tree) -> str:
    """What a run of the commit would read that is applied differently; empty where nothing is."""
    prepared = prepare(workspace, environment, tree, with_before=False)
    resources = {r.address: r for r in prepared.compilation.resources()}
    todo = [r.address for r in resources.values() if r.address.type == RUN and r.origin == model]
    needed: set[Address] = set()
    while todo:
        resource = resources.get(todo.pop())
        if resource is not None:
            above = {*resource.depends_on, *(o.address for o in resource.outputs)} - needed
            needed |= above
            todo += above
    steps = [s for s in prepared.plan.steps if s.address in needed and s.address.type not in AFTER]
    return ", ".join(f"{s.address.type} {s.address.name}" for s in steps)


def _value(values: Mapping[str, float], metric: str) -> float | None:
    """The metric by its name, or by its last part where that is of one step only."""
    if metric in values:
        return float(values[metric])
    found = [v for k, v in values.items() if k.rpartition(".")[2] == metric]
    return float(found[0]) if len(found) == 1 else None


def _written(workspace: Workspace, commit: str) -> tuple[str, str]:
    done = git.attempt(workspace.repository, "log", "-1", "--format=%an%n%s", commit, "--")
    lines = done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []
    return (lines[0] if lines else "", lines[1] if len(lines) > 1 else "")
