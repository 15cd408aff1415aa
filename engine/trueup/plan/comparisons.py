"""What an apply would make of a live object, as a value. Made by `observe/comparing.py`, shown by `views`."""

from __future__ import annotations

from dataclasses import dataclass

from trueup.plan.values import PropertyChange
from trueup_stacks.core.resources import Address

CREATE, CHANGE, DELETE, KEEP, SAME, REFUSED, UNKNOWN = (
    "create",
    "change",
    "delete",
    "keep",
    "same",
    "refused",
    "unknown",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One object, and what an apply would make of it."""

    address: Address
    origin: str
    """`str(Key)` of the document, where one says so."""
    what: str
    """`create`, `change`, `delete`, `keep` (no document says it, and it stays), `same`, `refused` (by the cluster) or `unknown`."""
    changes: tuple[PropertyChange, ...] = ()
    """`recorded` is what is live, `desired` what an apply would make of it."""
    detail: str = ""
    """Why it is refused or unknown."""
