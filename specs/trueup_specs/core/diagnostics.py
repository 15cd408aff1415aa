"""What is wrong, as data. Views print it; nothing raises it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from trueup_specs.core.positions import Location


class Severity(StrEnum):
    """How much a diagnostic matters: errors stop a plan, warnings and notes do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Related:
    """A second place that explains a diagnostic, such as the first of two duplicate keys."""

    location: Location
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: what (`summary`), why (`detail`), where (`location`) and what to do (`fix`).

    `code` is stable (`TRU0301`) and documented by `trueup explain CODE`.
    """

    code: str
    severity: Severity
    summary: str
    location: Location
    detail: str = ""
    related: tuple[Related, ...] = ()
    fix: str = ""

    @property
    def sort_key(self) -> tuple[Location, str, str]:
        """Reading order: by place, then code."""
        return (self.location, self.code, self.summary)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sorted by place, each once, so that the same problems print the same whatever found them first."""
    return tuple(sorted(set(diagnostics), key=lambda d: d.sort_key))


def failed(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of them is an error."""
    return any(d.severity is Severity.ERROR for d in diagnostics)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None."""
    candidates = list(known)
    folded = {c.lower(): c for c in candidates}
    if word.lower() in folded:
        return folded[word.lower()]
    found = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return found[0] if found else None
