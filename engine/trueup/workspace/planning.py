"""From a tree to a plan: load, validate, resolve, look up facts, compile, observe, plan, judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from trueup.approve import policies, requirements
from trueup.compile.compilation import Compilation, compile_catalog
from trueup.exits import NOTHING_SELECTED
from trueup.load.parts import Part
from trueup.load.trees import Tree, WorkingTree, revision
from trueup.observe import away as absence
from trueup.observe import cursors, soaking
from trueup.observe.facts import facts, moving
from trueup.observe.inventories import Inventory
from trueup.observe.live import Sight
from trueup.plan.categories import spec_changes
from trueup.plan.planning import Revision, plan
from trueup.plan.recorded import Recorded
from trueup.plan.values import Plan, Verdict
from trueup.record import accepted
from trueup.record.events import DONE, EventKind
from trueup.resolve.catalog import Catalog, documents_in, resolve
from trueup.resolve.environments import environments
from trueup.validate.spreading import without_collector
from trueup.validate.validation import Validated, validate
from trueup.validate.validation import documents as read_documents
from trueup.workspace import costing, guarding, surveying
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_specs.core.diagnostics import Diagnostic, failed, nearest
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.kinds.team.spec import TeamSpec

AWAY = "away"
"""What an apply's event says of the clusters that did not answer."""


@dataclass(frozen=True)
class Prepared:
    """Everything that is known of an environment before something is done."""

    tree: Tree
    catalog: Catalog
    compilation: Compilation
    recorded: Recorded
    plan: Plan
    diagnostics: tuple[Diagnostic, ...] = ()
    sight: Sight = field(default_factory=Sight)
    rules: Catalog | None = None
    """The catalog whose policies, teams and approvals hold: the base branch's."""
    ruling_commit: str = ""
    """The commit of those rules."""
    looked: Mapping[str, Inventory] = field(default_factory=dict)
    """What the environment's clusters have, by their names, where they were looked at."""

    @property
    def forbidden(self) -> bool:
        """Whether an error stands against the plan."""
        return failed(self.diagnostics)


class InvalidSpecs(Exception):
    """The specs have errors; `diagnostics` are all of them."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        super().__init__("The specs are not valid.")


def validated(tree: Tree) -> Validated:
    """The documents of a tree. Raises InvalidSpecs where there is an error."""
    found = validate(tree)
    if failed(found.diagnostics):
        raise InvalidSpecs(found.diagnostics)
    return found


def catalog_of(workspace: Workspace, documents: Mapping[Key, Document], environment: str) -> Catalog:
    """The catalog of an environment; raises WorkspaceError where there is none of that name."""
    known = environments(documents)
    if environment not in known:
        close = nearest(environment, known)
        hint = f" Did you mean {close!r}?" if close else ""
        listed = ", ".join(known) or "none; add a document of kind Environment"
        raise WorkspaceError(
            f"There is no environment {environment!r}.{hint} The workspace has: {listed}.", NOTHING_SELECTED
        )
    return resolve(workspace.name, documents, environment)


@dataclass(frozen=True)
class Applied:
    """What was applied last: its tree, or nothing at all, or (not `known`) a commit that this clone does not have."""

    tree: Tree | None = None
    known: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the apply's event says."""


@dataclass(frozen=True)
class Compared:
    """The trees of a plan: what is planned, whose rules hold (None: its own), and what was applied last."""

    head: Tree
    rules: Tree | None
    applied: Applied


def prepare(
    workspace: Workspace,
    environment: str,
    tree: Tree,
    *,
    rules: Tree | None = None,
    see: Callable[[Catalog, Recorded], Sight] | None = None,
    with_before: bool = True,
    reach: bool = False,
) -> Prepared:
    """The plan of an environment for a tree, with policies judged. `rules` is the tree whose rules hold (the base branch's);
    `see` looks at the live resources; `reach` says that a cluster may be asked where it lacked something when it was looked at last.

    Raises InvalidSpecs and WorkspaceError. Nothing is changed, no Pulumi process is started, no credentials are needed.
    """
    with without_collector():
        recorded = workspace.ledger.recorded()
        applied = last_applied(workspace, environment) if with_before else Applied(known=False)
        return prepared(workspace, environment, Compared(tree, rules, applied), recorded, see, reach)


def prepared(
    workspace: Workspace,
    environment: str,
    compared: Compared,
    recorded: Recorded,
    see: Callable[[Catalog, Recorded], Sight] | None = None,
    reach: bool = False,
) -> Prepared:
    """The plan of what the trees hold. Called by `prepare` for whole trees, and by `narrowing` for the parts that matter."""
    tree, rules = compared.head, compared.rules
    found = validated(tree)
    catalog = catalog_of(workspace, by_key(found), environment)
    seen = see(catalog, recorded) if see else Sight()
    away = seen.away if see else _away(workspace, catalog)
    asked = _asked(workspace, catalog) if see is not None and rules is None else cursors.Asked()
    served = partial(accepted.served, workspace.ledger)
    catalog = catalog.with_facts(
        facts(catalog.documents, tree, recorded, environment, served=served, cursors=asked.fingerprints, away=away)
    )
    compilation = compile_catalog(catalog)
    ruling = catalog if rules is None else catalog_of(workspace, by_key(_ruling(rules)), environment)
    applied = _applied_documents(compared.applied, environment)
    before = applied if rules is None else ruling.documents
    made, forbidden = plan(catalog, compilation, recorded, _revision(tree), before=before, observed=seen.observation())
    made = costing.costed(workspace, made, tree, ruling, compilation, recorded)
    made = _judged(made, catalog, compilation, ruling)
    made = _guarded(workspace, made, compared, ruling, list((applied or {}).values()) if rules is None else [])
    if rules is not None and applied is not None:
        made = replace(made, evidence=replace(made.evidence, unapplied=spec_changes(applied, ruling.documents)))
    notes = (*asked.diagnostics, *compilation.diagnostics, *soaking.notes(catalog), *absence.notes(catalog, seen))
    missing, looked = surveying.missing(workspace, catalog, compilation, recorded, see is not None, reach)
    diagnostics = (*found.diagnostics, *notes, *missing, *forbidden)
    ruling_commit = (tree if rules is None else rules).commit
    return Prepared(tree, catalog, compilation, recorded, made, diagnostics, seen, ruling, ruling_commit, looked)


def _away(workspace: Workspace, catalog: Catalog) -> Iterable[str]:
    """The clusters that were away at the last apply, where it matters to a plan that does not look: where something fails over."""
    if not moving(catalog.documents):
        return ()
    entry = workspace.ledger.last(catalog.environment, EventKind.APPLIED)
    return entry.event.details.get(AWAY, ()) if entry is not None else ()


def _asked(workspace: Workspace, catalog: Catalog) -> cursors.Asked:
    """What databases say of their data: asked by who may look at the live things, and never for a pull request."""
    from trueup.apply.secrets import resolver

    return cursors.ask(catalog, resolver(catalog.settings.secret_stores, workspace.folder))


def _ruling(tree: Tree) -> Validated:
    """The documents of the tree whose rules hold. Raises InvalidSpecs where one cannot be read: a policy would be passed over."""
    found = read_documents(tree)
    if failed(found.diagnostics):
        raise InvalidSpecs(found.diagnostics)
    return found


def by_key(found: Validated) -> dict[Key, Document]:
    """The documents by key."""
    return {d.key: d for d in found.documents}


def last_applied(workspace: Workspace, environment: str) -> Applied:
    """The tree that was applied to an environment last."""
    entry = workspace.ledger.last(environment, EventKind.APPLIED, outcome=DONE)
    if entry is None or not entry.event.commit:
        return Applied(known=entry is None)
    tree = revision(workspace.repository, entry.event.commit, workspace.prefix)
    return Applied(tree, known=tree is not None, details=entry.event.details)


def _applied_documents(applied: Applied, environment: str) -> Mapping[Key, Document] | None:
    """The environment's documents as they were applied last; None where that is not known."""
    if applied.tree is None:
        return {} if applied.known else None
    documents = by_key(read_documents(applied.tree))
    return documents_in(documents, environment) if environment in environments(documents) else {}


def _judged(made: Plan, catalog: Catalog, compilation: Compilation, ruling: Catalog) -> Plan:
    held = list(ruling.of_kind("Policy"))
    resources = tuple(compilation.resources())
    documents = catalog.documents.values()
    approvals = ruling.settings.approvals
    evidence = replace(
        made.evidence,
        verdicts=policies.judge(held, documents, resources, made, catalog.environment),
        approvals_required=approvals.required,
        approvers=tuple(approvals.teams),
        approval_rules=requirements.asked(made, approvals, teams_in(ruling)),
    )
    return replace(made, evidence=evidence, policies=policies.matching(held, documents, resources, made))


def _guarded(workspace: Workspace, made: Plan, compared: Compared, ruling: Catalog, former: list[Document]) -> Plan:
    """The plan with what access policies say of who changed it; the rules are those that hold, and for changed rules the former too."""
    if not any(d.key.kind == guarding.KIND for d in (*ruling.documents.values(), *former)):
        return made
    base = compared.rules if compared.rules is not None else compared.applied.tree
    if compared.rules is None and not compared.applied.known:
        found: tuple[Verdict, ...] = (guarding.unknown(made.environment),)
    else:
        changes = guarding.changes(workspace, base, compared.head, made.dirty)
        found = guarding.verdicts(workspace, ruling, former, changes)
    return replace(made, evidence=replace(made.evidence, verdicts=(*made.evidence.verdicts, *found)))


def teams_in(ruling: Catalog) -> dict[str, TeamSpec]:
    """The teams of a catalog, by name."""
    found: dict[str, TeamSpec] = {}
    for document in ruling.of_kind("Team"):
        assert isinstance(document, Document) and isinstance(document.spec, TeamSpec)
        found[document.key.name] = document.spec
    return found


def _revision(tree: Tree) -> Revision:
    whole = tree.whole if isinstance(tree, Part) else tree
    dirty = isinstance(whole, WorkingTree) and whole.dirty
    return Revision(commit=tree.commit or "", tree=tree.oid, dirty=dirty)
