"""What became of a model or an endpoint over time, from the ledger. Called by `trueup history`; reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trueup.exits import NOTHING_SELECTED
from trueup.record import history
from trueup.record.events import Entry, EventKind
from trueup.record.findings import Change
from trueup.workspace import naming
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.references import Key

KINDS = ("Model", "Endpoint")
SERVICE = "trueup:serve:Service"
PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to a document in an environment."""

    document: str
    environment: str
    time: datetime | None
    event: str
    """As the ledger has it: `applied`, `held`, `rolled-back`, `retired`, …"""
    outcome: str
    actor: str
    entry: str
    version: int | None = None
    """In use afterwards."""
    commit: str = ""
    author: str = ""
    """Who wrote the commit."""
    subject: str = ""
    """The first line of its message."""
    why: str = ""
    approvers: tuple[str, ...] = ()
    verdict: str = ""
    """Of the gates that judged: `passed` or `held`; empty where none did."""
    evidence: tuple[str, ...] = ()
    """What the gates said, one sentence a check."""
    metrics: dict[str, float] = field(default_factory=dict)


def history_of(workspace: Workspace, text: str, environment: str = "") -> tuple[Moment, ...]:
    """The history of every model and endpoint that `NAME`, `NAMESPACE/NAME` or `KIND/NAME` means, newest first. Raises WorkspaceError."""
    keys = documents(workspace, text, environment)
    entries = list(workspace.ledger.entries())
    names = sorted({e.event.environment for e in entries if environment in ("", e.event.environment)})
    found = [m for key in keys for name in names for m in _moments(workspace, key, name, entries)]
    return tuple(sorted(found, key=lambda m: m.time or datetime.min.replace(tzinfo=UTC), reverse=True))


def documents(workspace: Workspace, text: str, environment: str = "") -> list[Key]:
    """The models and endpoints that a text means, of those that the ledger knows."""
    known = [k for k in naming.recorded(workspace, environment) if k.kind in KINDS]
    if text.partition("/")[0].lower() in [kind.lower() for kind in KINDS]:
        return [naming.chosen(text, known)]
    found = sorted(k for k in known if text in (k.name, f"{k.namespace}/{k.name}"))
    if found:
        return found
    close = nearest(text, [k.name for k in known])
    hint = f" Did you mean {close}?" if close else ""
    raise WorkspaceError(f"The ledger knows no model and no endpoint {text!r}.{hint}", NOTHING_SELECTED)


def _moments(workspace: Workspace, key: Key, environment: str, entries: list[Entry]) -> Iterator[Moment]:
    changes = list(history.blame(workspace.ledger, str(key), environment))
    for change in changes:
        yield _moment(workspace, key, change)
    if changes:
        yield from (m for e in entries if (m := _beside(key, environment, e)) is not None)


def _moment(workspace: Workspace, key: Key, change: Change) -> Moment:
    event = change.entry.event
    verdicts = {str(e.get("verdict")) for e in change.evidence}
    return Moment(
        document=str(key),
        environment=event.environment,
        time=event.time,
        event=str(event.kind),
        outcome=event.outcome,
        actor=event.actor,
        entry=change.entry.id,
        version=_served(workspace, key, change.entry) if key.kind == "Endpoint" else change.version,
        commit=event.commit,
        author=change.author,
        subject=change.subject,
        why=change.why,
        approvers=tuple(a.actor or a.id for a in change.approvers),
        verdict=_verdict(verdicts, event.outcome),
        evidence=tuple(str(e.get("text") or e.get("metric") or "") for e in change.evidence),
        metrics=dict(change.metrics),
    )


def _verdict(verdicts: set[str], outcome: str) -> str:
    if not verdicts:
        return ""
    return "held" if outcome == "held" or verdicts - {"pass", PASSED} else PASSED


def _served(workspace: Workspace, key: Key, entry: Entry) -> int | None:
    """The version that an endpoint served after an entry."""
    recorded = workspace.ledger.recorded(entry.event.environment, at=entry.id, namespaces=frozenset({key.namespace}))
    for stack in recorded.stacks.values():
        for address, resource in stack.resources.items():
            if address.type == SERVICE and resource.origin == str(key):
                version = resource.outputs.get("version") or resource.properties.get("version")
                return int(version) if isinstance(version, (int, float, str)) and str(version).isdigit() else None
    return None


def _beside(key: Key, environment: str, entry: Entry) -> Moment | None:
    """What happened to all of the environment, or to the document without an apply."""
    event = entry.event
    if event.environment != environment:
        return None
    named = str(key) in (event.details.get("documents") or ())
    if event.kind is not EventKind.ROLLED_BACK and not (
        event.kind in (EventKind.RETIRED, EventKind.PROMOTED) and named
    ):
        return None
    return Moment(
        document=str(key),
        environment=environment,
        time=event.time,
        event=str(event.kind),
        outcome=event.outcome,
        actor=event.actor,
        entry=entry.id,
        commit=event.commit,
        why=str(event.details.get("why") or ""),
    )
