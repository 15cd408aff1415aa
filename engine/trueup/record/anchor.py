"""The anchor: the ledger's head, kept in a file beside the state, and as text in a commit status of the forge.

The file is written by `ledger` after each append, the status by jobs that pushed the ledger.

With it, `verification` finds a ledger whose end was cut off or that was rewritten as a whole: two things that a chain of
hashes cannot tell by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from trueup.record.events import Entry, LedgerError


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest entry that was written from here."""

    head: str
    sequence: int
    ref: str


_LINE = re.compile(r"\bledger (\d{1,12}) ([0-9a-f]{40}(?:[0-9a-f]{24})?)\b")


def line(anchor: Anchor) -> str:
    """The anchor as text that fits into a commit status."""
    return f"ledger {anchor.sequence} {anchor.head}"


def parse(text: str, ref: str) -> Anchor | None:
    """The anchor in a text; None where there is none."""
    found = _LINE.search(text)
    return Anchor(found[2], int(found[1]), ref) if found else None


def write(path: Path, entry: Entry, ref: str, follows: Callable[[Entry, str], bool]) -> None:
    """Move the anchor forward to an entry; an anchor that is further already stays, since other writers share it.

    `follows` says whether the entry comes after a commit. Where it does not come after the one that is anchored, the anchor stays as
    well: moving it would hide that the ledger was cut off or written anew. Raises OSError where the file cannot be written.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        known = read(path)
        if known and known.ref == ref and (known.sequence >= entry.sequence or not follows(entry, known.head)):
            return
        _put(path, Anchor(entry.id, entry.sequence, ref))


def replace(path: Path, old: str, entry: Entry, ref: str) -> None:
    """Move the anchor from an entry to where that one, or what came after it, was written again on top of another clone's entries."""
    from filelock import FileLock

    with FileLock(f"{path}.lock"):
        known = read(path)
        if known and known.ref == ref and known.head == old:
            _put(path, Anchor(entry.id, entry.sequence, ref))


def _put(path: Path, anchor: Anchor) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(asdict(anchor), indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def read(path: Path) -> Anchor | None:
    """The anchor in a file, or None where there is no file. Raises LedgerError for a file that is no anchor."""
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
        return Anchor(str(form["head"]), int(form["sequence"]), str(form["ref"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise LedgerError(
            f"The ledger's anchor {path} cannot be read. Verify the ledger without it, then delete the file: the next entry "
            "writes it anew."
        ) from None
