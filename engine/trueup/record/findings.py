"""What looking into the ledger found, as values: made by `verification` and `history`, read by the views. Nothing here touches Git."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trueup.record.events import Entry


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written."""

    entry: str
    """The commit's id of the entry; empty where it is about the ledger as a whole."""
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification came to."""

    head: str
    entries: int
    """How many were read, from the newest backwards."""
    signed: int = 0
    """Entries with a valid signature of a key that Git trusts here."""
    unknown: int = 0
    """Entries with a valid signature of a key that nobody here vouches for."""
    unchecked: int = 0
    """Entries whose signature cannot be judged here: the program or the public key is missing."""
    anchored: bool = False
    """Whether an anchor vouches for the end and the whole."""
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Approver:
    """Someone who agreed."""

    actor: str
    time: datetime | None
    id: str


@dataclass(frozen=True, slots=True)
class Data:
    """A dataset that a run read."""

    document: str
    version: Any = None
    digest: str = ""
    """Of its content, where the ledger knows it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a document in an environment."""

    entry: Entry
    """The entry that closes it: of the apply, or of the last stack where the apply was interrupted."""
    author: str = ""
    """Who wrote the commit of the specs, as `Name <address>`."""
    subject: str = ""
    """The first line of that commit's message."""
    why: str = ""
    approvers: tuple[Approver, ...] = ()
    steps: tuple[Mapping[str, Any], ...] = ()
    """What was done to the document's resources: `resource`, `action`, `status`."""
    data: tuple[Data, ...] = ()
    code: str = ""
    """The object id of the code tree that was run."""
    version: int | None = None
    """The model version that came of it, or is in use."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    evidence: tuple[Mapping[str, Any], ...] = ()
    """What the gates said."""
