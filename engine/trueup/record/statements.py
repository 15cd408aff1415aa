"""Entries in the form of in-toto statements (v1), and back. Pure; called by `ledger` and `verification`.

The statement's subjects are what the event is about and every file that the entry writes, each with its digest; the
predicate is ours. See https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from trueup.record import states
from trueup.record.events import Entry, Event, EventKind, LedgerError, Subject

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "https://trueup.dev/ledger/event/v1"
FILE = "file:"
"""Put before the path of a file of the ledger's tree, where it is a subject."""


def statement(entry: Entry) -> bytes:
    """The statement of an entry as JSON. `entry.id` and `entry.signed` are not part of it: the commit gives them.

    Raises LedgerError for what in-toto does not allow, such as a subject without a digest.
    """
    form = {
        "_type": TYPE,
        "subject": [{"name": s.name, "digest": dict(s.digest)} for s in _subjects(entry)],
        "predicateType": PREDICATE,
        "predicate": _predicate(entry),
    }
    # Not printed by protobuf, which would turn each integer of the predicate into a float.
    data = states.dump(form)
    if problem := check(data):
        raise LedgerError(f"The event {entry.event.kind} cannot be written as an in-toto statement: {problem}.")
    return data


def check(data: bytes) -> str:
    """What in-toto's own library finds wrong with a statement; empty where nothing is."""
    from google.protobuf.json_format import Parse, ParseError
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    try:
        Statement.copy_from_pb(Parse(data, statement_pb2.Statement())).validate()
    except (ParseError, ValueError, UnicodeDecodeError) as problem:
        return str(problem)
    return ""


def entry_of(data: bytes, commit: str, signed: bool = False) -> Entry:
    """The entry that a statement describes; raises LedgerError for a statement that is none of ours."""
    form = states.load(data)
    try:
        if form["predicateType"] != PREDICATE:
            raise ValueError(f"its predicate is {form['predicateType']}")
        return _entry(form["subject"], form["predicate"], commit, signed)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise LedgerError(f"The ledger's entry {commit} is no statement of Trueup's ({problem}).") from None


def digest(data: bytes) -> str:
    """The SHA-256 of a file's content, in hex."""
    return hashlib.sha256(data).hexdigest()


def _subjects(entry: Entry) -> Iterable[Subject]:
    yield from entry.event.subjects
    for path, value in sorted(entry.changed.items()):
        yield Subject(FILE + path, {"sha256": value})
    if not entry.event.subjects and not entry.changed:
        # in-toto wants at least one subject: what such an event is about is the ledger as it was.
        yield Subject("ledger", {"gitCommit": entry.previous or "0" * 40})


def _predicate(entry: Entry) -> dict[str, Any]:
    event = entry.event
    assert event.time is not None
    return {
        "event": str(event.kind),
        "sequence": entry.sequence,
        "previous": entry.previous,
        "workspace": entry.workspace,
        "environment": event.environment,
        "stack": event.stack,
        "commit": event.commit,
        "actor": event.actor,
        "author": entry.author,
        "time": event.time.astimezone(UTC).isoformat(timespec="milliseconds"),
        "outcome": event.outcome,
        "approvals": list(event.approvals),
        "durations": dict(event.durations),
        "details": dict(event.details),
        "removed": list(entry.removed),
        "replayed": entry.replayed,
    }


def _entry(subjects: list[Mapping[str, Any]], form: Mapping[str, Any], commit: str, signed: bool) -> Entry:
    named = [Subject(s["name"], dict(s["digest"])) for s in subjects]
    event = Event(
        kind=EventKind(form["event"]),
        environment=form["environment"],
        commit=form["commit"],
        actor=form["actor"],
        stack=form["stack"],
        outcome=form["outcome"],
        details=form["details"],
        subjects=tuple(s for s in named if not s.name.startswith(FILE) and s.name != "ledger"),
        approvals=tuple(form["approvals"]),
        durations=form["durations"],
        time=datetime.fromisoformat(form["time"]),
    )
    return Entry(
        id=commit,
        previous=form["previous"],
        sequence=form["sequence"],
        workspace=form["workspace"],
        event=event,
        changed={s.name.removeprefix(FILE): s.digest["sha256"] for s in named if s.name.startswith(FILE)},
        removed=tuple(form["removed"]),
        author=form["author"],
        signed=signed,
        replayed=form["replayed"],
    )
