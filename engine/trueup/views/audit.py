"""The ledger as text and JSON: entries, one entry, a verification, the history of a document. Sees values only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trueup.record.events import DONE, Entry, EventKind
from trueup.record.findings import Change, Report
from trueup.views.statuses import table
from trueup.views.words import duration, plural, short


def log_text(entries: Sequence[Entry]) -> str:
    """One line an entry."""
    if not entries:
        return "The ledger has no such entries.\n"
    head = ("ENTRY", "TIME (UTC)", "EVENT", "ENVIRONMENT", "BY", "ABOUT")
    return table([head, *(_row(e) for e in entries)])


def _row(entry: Entry) -> tuple[str, ...]:
    event = entry.event
    outcome = "" if event.outcome in (DONE, event.kind) else f" ({event.outcome})"
    return (
        entry.id[:10],
        moment(event.time),
        (str(event.kind).upper() if event.kind is EventKind.BREAK_GLASS else event.kind) + outcome,
        event.environment,
        _name(event.actor),
        _about(entry),
    )


def _about(entry: Entry) -> str:
    event = entry.event
    parts = [event.stack] if event.stack else []
    parts += [f"at {short(event.commit)}"] if event.commit else []
    documents = [d for d in event.details.get("documents") or () if isinstance(d, str)]
    if documents:
        more = f" and {len(documents) - 3} more" if len(documents) > 3 else ""
        parts.append(", ".join(documents[:3]) + more)
    if event.kind is EventKind.BREAK_GLASS:
        parts.append(f"{event.details.get('by')} passed over: {' '.join(map(str, event.details.get('passed') or ()))}")
    if why := event.details.get("why"):
        parts.append(f"“{why}”")
    return "  ".join(parts)


def broken_text(entry: Entry) -> str:
    """That what is there was applied with a broken glass, for `trueup status`."""
    details = entry.event.details
    passed = " ".join(map(str, details.get("passed") or ()))
    return (
        f"BREAK-GLASS by {details.get('by')} at {moment(entry.event.time)} ({entry.id[:10]}): “{details.get('why')}”. "
        f"Passed over: {passed} The next apply as the rules say ends this note."
    )


def log_json(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Entries for machines."""
    return [entry_json(e) for e in entries]


def entry_json(entry: Entry) -> dict[str, Any]:
    """One entry for machines."""
    event = entry.event
    return {
        "id": entry.id,
        "previous": entry.previous,
        "sequence": entry.sequence,
        "workspace": entry.workspace,
        "event": str(event.kind),
        "environment": event.environment,
        "stack": event.stack,
        "commit": event.commit,
        "actor": event.actor,
        "author": entry.author,
        "time": event.time.isoformat() if event.time else None,
        "outcome": event.outcome,
        "approvals": list(event.approvals),
        "durations": dict(event.durations),
        "details": dict(event.details),
        "subjects": [{"name": s.name, "digest": dict(s.digest)} for s in event.subjects],
        "changed": dict(entry.changed),
        "removed": list(entry.removed),
        "signed": entry.signed,
        "replayed": entry.replayed,
    }


def entry_text(entry: Entry) -> str:
    """One entry in full."""
    return "\n".join(_entry(entry)) + "\n"


def _entry(entry: Entry) -> Iterator[str]:
    event = entry.event
    yield f"Entry {entry.sequence}  {entry.id}" + ("  signed" if entry.signed else "")
    yield f"  {event.kind} {event.environment} {event.stack}".rstrip() + f": {event.outcome}"
    yield f"  {moment(event.time)} by {event.actor or 'unknown'}"
    if entry.author != event.actor:
        yield f"  written by {entry.author}"
    if event.commit:
        yield f"  specs at {event.commit}"
    if entry.replayed:
        yield f"  first written as {entry.replayed}, then again after another clone's entries"
    for title, values in (
        ("approved by", event.approvals),
        ("subjects", [f"{s.name}  {_digest(s.digest)}" for s in event.subjects]),
        ("took", [f"{n}: {duration(s)}" for n, s in sorted(event.durations.items())]),
        ("wrote", [f"{p}  sha256:{d[:16]}" for p, d in sorted(entry.changed.items())]),
        ("removed", entry.removed),
    ):
        yield from _listed(title, values)
    yield from (f"  {line}" for line in nested("details", event.details) if event.details)


def _listed(title: str, values: Sequence[str]) -> Iterator[str]:
    if values:
        yield f"  {title}"
        yield from (f"    {value}" for value in values)


def _digest(digests: Mapping[str, str]) -> str:
    return ", ".join(f"{k}:{v[:16]}" for k, v in sorted(digests.items()))


def nested(title: str, value: Any) -> Iterator[str]:
    """A JSON value as indented lines, as people write YAML."""
    if isinstance(value, Mapping) and value:
        yield title
        for key, item in value.items():
            yield from (f"  {line}" for line in nested(str(key), item))
    elif isinstance(value, (list, tuple)) and value:
        yield title
        for item in value:
            yield from (f"  {line}" for line in nested("-", item))
    else:
        yield f"{title}: {value}" if title != "-" else f"- {value}"


def report_text(report: Report) -> str:
    """What a verification found."""
    return "\n".join(_report(report)) + "\n"


def _report(report: Report) -> Iterator[str]:
    if not report.entries and report.ok:
        yield "There is no ledger yet: nothing was recorded."
        return
    for problem in report.problems:
        yield f"WRONG  {problem.entry[:10] or 'the ledger'}: {problem.text}"
    found = "Nothing was changed" if report.ok else f"{plural(len(report.problems), 'problem')} found"
    yield f"{found} in {plural(report.entries, 'entry')}, up to {report.head[:10] or 'nothing'}. {_signed(report)}"
    if not report.anchored:
        yield "The end is not anchored: nothing here can tell whether later entries were cut off, or all of it was written anew."


def _signed(report: Report) -> str:
    counts = {
        "of trusted keys": report.signed,
        "of unknown keys": report.unknown,
        "that cannot be judged here": report.unchecked,
    }
    parts = [f"{number} {what}" for what, number in counts.items() if number]
    return f"Signatures: {', '.join(parts)}." if parts else "No entry is signed."


def report_json(report: Report) -> dict[str, Any]:
    """A verification for machines."""
    return {
        "ok": report.ok,
        "head": report.head,
        "entries": report.entries,
        "anchored": report.anchored,
        "signatures": {"trusted": report.signed, "unknownKey": report.unknown, "unchecked": report.unchecked},
        "problems": [{"entry": p.entry, "text": p.text} for p in report.problems],
    }


def blame_text(document: str, environment: str, changes: Sequence[Change]) -> str:
    """Who changed a document in an environment, newest first."""
    if not changes:
        return f"The ledger knows of no change of {document} in {environment}.\n"
    return "\n".join(line for change in changes for line in _change(change))


def _change(change: Change) -> Iterator[str]:
    event = change.entry.event
    yield f"{change.entry.id[:10]}  {moment(event.time)}  {event.kind} {event.outcome}, by {event.actor or 'unknown'}"
    if event.commit:
        written = f", written by {change.author}: {change.subject}" if change.author else ""
        yield f"    specs at {short(event.commit)}{written}"
    if change.why:
        yield f"    why: {change.why}"
    if change.approvers:
        yield "    approved by: " + ", ".join(a.actor or a.id for a in change.approvers)
    for step in change.steps:
        yield f"    {step.get('action')} {step.get('resource')}: {step.get('status')}"
    for data in change.data:
        digest = f", content {data.digest[:16]}" if data.digest else ""
        yield f"    from {data.document}" + (f" version {data.version}" if data.version is not None else "") + digest
    if change.code:
        yield f"    code: tree {change.code[:10]}"
    if change.version is not None:
        yield f"    version in use: {change.version}"
    if change.metrics:
        yield "    metrics: " + ", ".join(f"{k}={v:.4g}" for k, v in sorted(change.metrics.items()))
    for check in change.evidence:
        yield f"    gate: {str(check.get('verdict', '')).upper()} {check.get('text') or check.get('metric') or check.get('name')}"
    yield ""


def blame_json(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The history of a document for machines."""
    return [
        {
            "entry": c.entry.id,
            "event": str(c.entry.event.kind),
            "outcome": c.entry.event.outcome,
            "time": c.entry.event.time.isoformat() if c.entry.event.time else None,
            "actor": c.entry.event.actor,
            "commit": c.entry.event.commit,
            "author": c.author,
            "subject": c.subject,
            "why": c.why,
            "approvedBy": [
                {"id": a.id, "actor": a.actor, "time": a.time.isoformat() if a.time else None} for a in c.approvers
            ],
            "steps": [dict(s) for s in c.steps],
            "data": [{"document": d.document, "version": d.version, "digest": d.digest} for d in c.data],
            "code": c.code,
            "version": c.version,
            "metrics": dict(c.metrics),
            "evidence": [dict(e) for e in c.evidence],
        }
        for c in changes
    ]


def moment(time: datetime | None) -> str:
    """A time for people: UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if time else ""


def _name(actor: str) -> str:
    return actor.partition(" <")[0] or "unknown"
