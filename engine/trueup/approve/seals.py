"""What is signed: the seal of a plan as canonical JSON, and an approval as the ledger keeps it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup.plan.values import DANGER, Action, Danger, SealEntry
from trueup_specs.core.fingerprints import fingerprint

VERSION = 1


@dataclass(frozen=True, slots=True)
class Approval:
    """What one person agreed to."""

    id: str
    workspace: str
    environment: str
    entries: tuple[SealEntry, ...]
    time: str
    format: str
    """`ssh` or `gpg`."""
    signature: str
    commit: str = ""
    """The revision that was looked at: for people, never judged."""
    by: str = field(default="", compare=False)
    """The member whose key signed, as it was found when signing: for people; judges look at the signature."""


def payload(workspace: str, environment: str, entries: Iterable[SealEntry], time: str) -> bytes:
    """The bytes that are signed: the same for the same effects, in whatever order they were found."""
    import rfc8785

    listed = sorted((_listed(e) for e in entries), key=fingerprint)
    value: Any = {
        "version": VERSION,
        "workspace": workspace,
        "environment": environment,
        "time": time,
        "entries": listed,
    }
    return bytes(rfc8785.dumps(value))


def form(approval: Approval) -> dict[str, Any]:
    """The approval as JSON."""
    return {
        "version": VERSION,
        "id": approval.id,
        "workspace": approval.workspace,
        "environment": approval.environment,
        "commit": approval.commit,
        "time": approval.time,
        "entries": [_listed(e) for e in approval.entries],
        "signature": {"format": approval.format, "value": approval.signature},
    }


def parse(found: Mapping[str, Any]) -> Approval | None:
    """The reverse; None for what is no approval that this version knows."""
    try:
        if found["version"] != VERSION:
            return None
        return Approval(
            found["id"],
            found["workspace"],
            found["environment"],
            tuple(SealEntry(*e) for e in found["entries"]),
            found["time"],
            found["signature"]["format"],
            found["signature"]["value"],
            found.get("commit", ""),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _listed(entry: SealEntry) -> list[Any]:
    return [entry.stack, entry.urn, str(entry.action), entry.path, entry.recorded, entry.desired]


def effect(entry: SealEntry) -> str:
    """What an entry does, whatever it is called: entries with one effect differ in severity only."""
    return fingerprint([entry.stack, entry.urn, entry.path, entry.recorded, entry.desired])


def severity(entry: SealEntry) -> Danger:
    """How severe an entry's action is; an unknown action is the most severe."""
    try:
        return DANGER[Action(entry.action)]
    except ValueError:
        return Danger.DELETE
