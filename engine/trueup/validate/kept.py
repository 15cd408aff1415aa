"""What was found in a tree, kept by the tree's id: a tree that did not change is not judged again. Called by `cli/quick.py`.

What diagnostics are made of is imported only where there are some.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from trueup.load import cache

if TYPE_CHECKING:
    from trueup_specs.core.diagnostics import Diagnostic
    from trueup_specs.core.positions import Location

Found = tuple[int, "tuple[Diagnostic, ...]"]
"""The number of documents, and what is wrong with them."""


def load(prefix: str, oid: str) -> Found | None:
    """What was found in the tree of a workspace's folder; None where that is not known."""
    data = cache.load(_key(prefix, oid))
    if data is None:
        return None
    try:
        number, items = json.loads(data)
        return int(number), tuple(map(_decoded, items))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def store(prefix: str, oid: str, found: Found) -> None:
    """Keeps what was found."""
    number, diagnostics = found
    with suppress(UnicodeEncodeError):  # a file whose name is no text
        text = json.dumps([number, [_encoded(d) for d in diagnostics]], ensure_ascii=False)
        cache.store(_key(prefix, oid), text.encode())


def _key(prefix: str, oid: str) -> str:
    return f"{prefix}\0{oid}"


def _encoded(diagnostic: Diagnostic) -> list[Any]:
    d = diagnostic
    related = [[_place(r.location), r.message] for r in d.related]
    return [d.code, d.severity.value, d.summary, _place(d.location), d.detail, related, d.fix]


def _place(location: Location) -> list[Any]:
    return [location.file, location.line, location.column]


def _decoded(item: Iterable[Any]) -> Diagnostic:
    from trueup_specs.core.diagnostics import Diagnostic, Related, Severity
    from trueup_specs.core.positions import Location

    code, severity, summary, place, detail, related, fix = item
    others = tuple(Related(Location(*p), message) for p, message in related)
    return Diagnostic(code, Severity(severity), summary, Location(*place), detail, others, fix)
