"""From a tree to a plan: load, validate, resolve, look up facts, compile, observe, plan, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from trueup.approve import policies
from trueup.compile.compilation import Compilation, compile_catalog
from trueup.load.trees import Tree, WorkingTree
from trueup.observe import soaking
from trueup.observe.facts import facts
from trueup.observe.live import Sight
from trueup.plan.categories import spec_changes
from trueup.plan.planning import Revision, plan
from trueup.plan.recorded import Recorded
from trueup.plan.values import Plan
from trueup.record import accepted
from trueup.record.events import DONE, EventKind
from trueup.resolve.catalog import Catalog, documents_in, resolve
from trueup.resolve.environments import environments
from trueup.validate.spreading import without_collector
from trueup.validate.validation import Validated, validate
from trueup.validate.validation import documents as read_documents
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_specs.core.diagnostics import Diagnostic, failed, nearest
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key

INVALID = 4
NOTHING_SELECTED = 3


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


def prepare(
    workspace: Workspace,
    environment: str,
    tree: Tree,
    *,
    rules: Tree | None = None,
    see: Callable[[Catalog, Recorded], Sight] | None = None,
    with_before: bool = True,
) -> Prepared:
    """The plan of an environment for a tree, with policies judged. `rules` is the tree whose rules hold (the base branch's);
    `see` looks at the live resources.

    Raises InvalidSpecs and WorkspaceError. Nothing is changed, no Pulumi process is started, no credentials are needed.
    """
    with without_collector():
        return _prepared(workspace, environment, tree, rules, see, with_before)


def _prepared(
    workspace: Workspace,
    environment: str,
    tree: Tree,
    rules: Tree | None,
    see: Callable[[Catalog, Recorded], Sight] | None,
    with_before: bool,
) -> Prepared:
    found = validated(tree)
    documents = by_key(found)
    recorded = workspace.ledger.recorded()
    catalog = catalog_of(workspace, documents, environment)
    catalog = catalog.with_facts(
        facts(catalog.documents, tree, recorded, environment, partial(accepted.served, workspace.ledger))
    )
    compilation = compile_catalog(catalog)
    ruling = catalog if rules is None else catalog_of(workspace, by_key(_ruling(rules)), environment)
    applied = applied_documents(workspace, environment) if with_before else None
    before = applied if rules is None else ruling.documents
    seen = see(catalog, recorded) if see else Sight()
    made, forbidden = plan(catalog, compilation, recorded, _revision(tree), before=before, observed=seen.observation())
    made = _judged(made, catalog, compilation, ruling)
    if rules is not None and applied is not None:
        made = replace(made, evidence=replace(made.evidence, unapplied=spec_changes(applied, ruling.documents)))
    diagnostics = (*found.diagnostics, *compilation.diagnostics, *soaking.notes(catalog), *forbidden)
    return Prepared(tree, catalog, compilation, recorded, made, diagnostics, seen, ruling)


def _ruling(tree: Tree) -> Validated:
    """The documents of the tree whose rules hold. Raises InvalidSpecs where one cannot be read: a policy would be passed over."""
    found = read_documents(tree)
    if failed(found.diagnostics):
        raise InvalidSpecs(found.diagnostics)
    return found


def by_key(found: Validated) -> dict[Key, Document]:
    """The documents by key."""
    return {d.key: d for d in found.documents}


def applied_documents(workspace: Workspace, environment: str) -> Mapping[Key, Document] | None:
    """The environment's documents as they were applied last; None where nothing was, or its commit is not in this clone."""
    entry = workspace.ledger.last(environment, EventKind.APPLIED, outcome=DONE)
    if entry is None or not entry.event.commit:
        return {} if entry is None else None
    from trueup.load.trees import revision

    tree = revision(workspace.repository, entry.event.commit, workspace.prefix)
    if tree is None:
        return None
    documents = by_key(read_documents(tree))
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
    )
    return replace(made, evidence=evidence, policies=policies.matching(held, documents, resources, made))


def _revision(tree: Tree) -> Revision:
    dirty = isinstance(tree, WorkingTree) and tree.dirty
    return Revision(commit=tree.commit or "", tree=tree.oid, dirty=dirty)
