"""What the loop sees of an environment before it decides: Git's side, the ledger's, and, where it is time, reality's. Changes nothing.

Where the followed commit cannot be planned, or may not be applied, what was applied last stays in force: drift is judged, and put
right, by that one, under the rules of the newer one where those can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from trueup.apply.backend import BackendError
from trueup.apply.cli import CliError
from trueup.apply.locks import LockedError
from trueup.apply.pulumi import DriverError
from trueup.apply.secrets import SecretError
from trueup.approve.reviews import Found, unused
from trueup.load.git import GitError
from trueup.load.trees import Revision, Tree, revision
from trueup.observe.live import Sight
from trueup.plan.recorded import Recorded as Books
from trueup.reconcile.values import Desired, Observed, Recorded
from trueup.record.events import EventKind, LedgerError
from trueup.resolve.catalog import Catalog
from trueup.workspace import merging, operating, permitting, vacancy
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.operating import Finding
from trueup.workspace.planning import InvalidSpecs, Prepared, last_applied, prepare
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.fingerprints import fingerprint

EXPECTED = (
    WorkspaceError,
    InvalidSpecs,
    GitError,
    LedgerError,
    BackendError,
    CliError,
    DriverError,
    LockedError,
    SecretError,
    OSError,
)
"""What can go wrong without a bug of ours: the loop says it and goes on."""
Reviewed = Callable[[Prepared], tuple[Found, str]]
BY_ITSELF = ("drift", "resume", "volatile")


@dataclass(frozen=True)
class Permitted:
    """A plan with the approvals that it rests on."""

    prepared: Prepared
    approvals: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """Everything that a turn knows."""

    desired: Desired
    recorded: Recorded
    observed: Observed = field(default_factory=Observed)
    findings: tuple[Finding, ...] = ()
    prepared: Permitted | None = None
    """The plan of the followed commit; None where there is none."""
    healing: Permitted | None = None
    """The plan that only brings back what was applied; None where nothing drifted, or it would do more."""
    interval: str = ""
    """How often reality is looked at."""
    documents: tuple[Document, ...] = ()


class _Eyes:
    """Looks at reality once a turn, however often a plan asks."""

    def __init__(self, workspace: Workspace, looks: bool, asleep: str) -> None:
        self._workspace = workspace
        self.looks = looks
        self.asleep = asleep
        self.sight: Sight | None = None

    def see(self, catalog: Catalog, recorded: Books) -> Sight:
        """What an apply is told of: drift only where it is to be healed, and always which clusters are away."""
        if self.sight is None:
            self.sight = operating.sight(self._workspace, catalog, recorded)
        return self.sight if catalog.settings.drift.action == "heal" else Sight(away=self.sight.away)


def view(
    workspace: Workspace,
    environment: str,
    tip: Revision,
    looks: bool,
    reviewed: Reviewed = lambda _prepared: (Found(), ""),
    good: str = "",
) -> View:
    """What is known of an environment at a commit. `reviewed` reads the forge's reviews, or says why it cannot; `good` is the
    commit that stays in force where the ledger knows of no apply that completed.

    Raises only what is no matter of the specs (`EXPECTED` but InvalidSpecs).
    """
    asleep = _asleep(workspace, environment)
    eyes = _Eyes(workspace, looks and not asleep, asleep)
    last = last_applied(workspace, environment).tree
    if last is None and good:
        last = revision(workspace.repository, good, workspace.prefix)
    recorded = Recorded(last.commit if last else "")
    tree = _pinned(workspace, environment, tip)
    rules = None if tree is tip else tip
    try:
        prepared, broken = _prepare(workspace, environment, tree, eyes, rules), ""
        if prepared.forbidden:
            broken = _first(prepared.diagnostics)
    except InvalidSpecs as error:
        prepared, broken = None, _first(error.diagnostics)
    except WorkspaceError as error:
        prepared, broken = None, str(error)
    if broken:
        return _stays(workspace, environment, tip, broken, last, recorded, eyes)
    assert prepared is not None
    return _planned(workspace, prepared, tip, last, recorded, eyes, reviewed)


def _prepare(workspace: Workspace, environment: str, tree: Tree, eyes: _Eyes, rules: Tree | None = None) -> Prepared:
    return prepare(workspace, environment, tree, rules=rules, see=eyes.see if eyes.looks else None, reach=True)


def _asleep(workspace: Workspace, environment: str) -> str:
    """What `trueup down` stopped stays down: that is no drift, until it is started or applied to again."""
    entry = workspace.ledger.last(environment, EventKind.DOWN, EventKind.UP, EventKind.APPLIED)
    if entry is None or entry.event.kind is not EventKind.DOWN:
        return ""
    return f"It was stopped with `trueup down`, so drift is not looked at until `trueup up {environment}`."


def _pinned(workspace: Workspace, environment: str, tip: Revision) -> Revision:
    """What a direct rollback pinned, until the followed branch says the same."""
    pin = workspace.ledger.recorded(environment, namespaces=frozenset()).pins.get(environment)
    if pin is None:
        return tip
    found = revision(workspace.repository, pin, workspace.prefix)
    if found is None:
        raise WorkspaceError(
            f"{environment} is pinned at {pin[:10]}, and this clone does not have it. Fetch it: `git fetch --unshallow`."
        )
    if found.oid == tip.oid:
        operating.unpin(workspace, environment, tip.commit)
        return tip
    return found


def _planned(
    workspace: Workspace,
    prepared: Prepared,
    tip: Revision,
    last: Tree | None,
    recorded: Recorded,
    eyes: _Eyes,
    reviewed: Reviewed,
) -> View:
    """The view where the followed commit has a plan."""
    steps = prepared.plan.steps
    changes = sum(s.exempt not in BY_ITSELF for s in steps)
    resumes = sum(s.exempt in ("resume", "volatile") for s in steps)
    allowed, refusals = _allowed(workspace, prepared, reviewed) if steps else (permitting.Permission(), ())
    settings = (prepared.rules or prepared.catalog).settings
    observed, findings = _observed(eyes, prepared)
    healing: Permitted | None = None
    unhealable: tuple[str, ...] = ()
    if findings and settings.drift.action == "heal":
        if not changes:
            healing, unhealable = Permitted(prepared, allowed.approvals), refusals
        else:
            healing, unhealable = _healing(workspace, prepared.catalog.environment, last, eyes, tip)
    return View(
        Desired(
            commit=prepared.tree.commit,
            key=f"apply:{prepared.tree.oid}",
            paused=settings.paused,
            changes=changes,
            resumes=resumes,
            vacant=vacancy.vacant(workspace, prepared),
            refusals=refusals,
            drift=settings.drift.action,
            unhealable=unhealable,
        ),
        recorded,
        observed,
        findings,
        Permitted(prepared, allowed.approvals),
        healing,
        settings.drift.interval or "",
        tuple(prepared.catalog.documents.values()),
    )


def _stays(
    workspace: Workspace,
    environment: str,
    tip: Revision,
    broken: str,
    last: Tree | None,
    recorded: Recorded,
    eyes: _Eyes,
) -> View:
    """The view where the followed commit has no plan: what was applied last holds."""
    desired = Desired(commit=tip.commit, key=f"apply:{tip.oid}", broken=broken)
    if last is None:
        return View(desired, recorded)
    try:
        before = _prepare(workspace, environment, last, eyes)
    except (InvalidSpecs, WorkspaceError):
        return View(desired, recorded)
    settings = before.catalog.settings
    observed, findings = _observed(eyes, before)
    healing: Permitted | None = None
    unhealable: tuple[str, ...] = ()
    if findings and settings.drift.action == "heal":
        healing, unhealable = _only_healing(workspace, before)
    desired = Desired(
        tip.commit, desired.key, broken, settings.paused, drift=settings.drift.action, unhealable=unhealable
    )
    documents = tuple(before.catalog.documents.values())
    return View(desired, recorded, observed, findings, None, healing, settings.drift.interval or "", documents)


def _allowed(
    workspace: Workspace, prepared: Prepared, reviewed: Reviewed
) -> tuple[permitting.Permission, tuple[str, ...]]:
    """Whether a plan may be applied, and what stands against it, as sentences."""
    found, unread = reviewed(prepared)
    allowed = permitting.permission(workspace, prepared, reviewed=found)
    refusals = [r.text for r in allowed.refusals]
    if refusals:
        refusals += [unread] if unread else []
        refusals += [
            f"The review of {p.review.user} (#{p.number}) does not count: {p.reason}"
            for p in (*found.passed, *unused(found, allowed.approvals))
        ]
    if prepared.rules is prepared.catalog:  # what is pinned may be older than what was applied
        try:
            merging.check_order(workspace, prepared.catalog.environment, prepared.tree.commit)
        except WorkspaceError as error:
            refusals.append(str(error))
    return allowed, tuple(refusals)


def _healing(
    workspace: Workspace, environment: str, last: Tree | None, eyes: _Eyes, rules: Tree
) -> tuple[Permitted | None, tuple[str, ...]]:
    """The plan that brings back what was applied last, while the followed commit waits for something."""
    if last is None:
        return None, ("Nothing was applied in full yet, so there is nothing to bring back.",)
    try:
        return _only_healing(workspace, _prepare(workspace, environment, last, eyes, rules))
    except InvalidSpecs as error:
        return None, (f"What was applied last cannot be planned any more: {_first(error.diagnostics)}",)


def _only_healing(workspace: Workspace, prepared: Prepared) -> tuple[Permitted | None, tuple[str, ...]]:
    if any(s.exempt not in BY_ITSELF for s in prepared.plan.steps):
        return None, ("An apply of a newer commit ended half-way; drift is put right once it went through.",)
    allowed = permitting.permission(workspace, prepared)
    return Permitted(prepared, allowed.approvals), tuple(r.text for r in allowed.refusals)


def _observed(eyes: _Eyes, prepared: Prepared) -> tuple[Observed, tuple[Finding, ...]]:
    if eyes.sight is None:
        return Observed(asleep=eyes.asleep), ()
    findings = operating.findings(eyes.sight, prepared.recorded)
    drifted = tuple(f"{f.address.type} {f.address.name} ({_how(f)})" for f in findings)
    marks = [[str(f.address), f.what, [[c.path, str(c.desired)] for c in f.changes]] for f in findings]
    return Observed(drifted, fingerprint(marks) if findings else ""), findings


def _how(finding: Finding) -> str:
    paths = ", ".join(c.path for c in finding.changes)
    return f"{finding.what}: {paths}" if paths else finding.what


def _first(diagnostics: Iterable[Diagnostic]) -> str:
    errors = [d for d in diagnostics if d.severity is Severity.ERROR]
    if not errors:
        return "It has errors."
    where = errors[0].location
    place = f"{where.file}:{where.line}: " if where.file and where.line else ""
    more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
    return f"{place}{errors[0].code} {errors[0].summary}{more}"
