"""What an apply found to need nothing, as its entry in the ledger keeps it: so that a plan in a fresh clone looks only at what changed.

An apply plans everything. Of the namespaces of which that plan did and said nothing, a later plan would do and say nothing either, as long
as their specs, what these name, the documents of the whole workspace and their recorded stacks are what they were, and the code that plans
is the same, byte by byte. `narrowing` checks all of that; this module says which namespaces were busy. Whoever can write the ledger can say
what is recorded as applied too, so a plan trusts no one more than it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from trueup.load import cache
from trueup.load.parts import Part
from trueup.load.specs import settings_in
from trueup.plan.values import Plan
from trueup.validate.validation import parsed_files
from trueup.workspace.planning import Applied, Prepared
from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Address

DETAIL = "quiet"
"""Where it stands among an event's details."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """A plan of everything, at a commit of the ledger, which found only some namespaces busy."""

    ledger: str
    busy: frozenset[str]


def detail(found: Prepared) -> dict[str, Any] | None:
    """What an apply's event keeps of its plan; None where that tells nothing: another tree's rules, or what is of no namespace."""
    if found.plan.dirty or isinstance(found.tree, Part) or found.rules is not found.catalog or not found.recorded.head:
        return None
    names = busy(found, lambda file: _namespaces(found, file))
    if names is None:
        return None
    return {"engine": cache.code(cache.PLANNING), "ledger": found.recorded.head, "busy": sorted(names)}


def kept(applied: Applied) -> Quiet | None:
    """What the last apply kept; None where it kept nothing, or was of another tree or of other code."""
    value, tree = applied.details.get(DETAIL), applied.tree
    if not isinstance(value, dict) or tree is None or applied.details.get("tree") != tree.oid:
        return None
    ledger, names = value.get("ledger"), value.get("busy")
    if value.get("engine") != cache.code(cache.PLANNING) or not isinstance(ledger, str) or not isinstance(names, list):
        return None
    return Quiet(ledger, frozenset(map(str, names)))


def busy(found: Prepared, namespaces_of: Callable[[str], Iterable[str]]) -> frozenset[str] | None:
    """The namespaces of which a plan does or says something; None where something is said of none of them.

    `namespaces_of` tells those of a file of the repository, `""` for the whole workspace.
    """
    names = set(_named(found.plan)) | {
        key.namespace for _, key in found.catalog.facts.served
    }  # what soaks changes with time
    if any(v.object.startswith("Policy/") for v in found.plan.evidence.verdicts):
        return None
    for diagnostic in found.diagnostics:
        about = {name for name in namespaces_of(diagnostic.location.file) if name}
        if not about and _matters(diagnostic):
            return None
        names |= about
    return frozenset(names)


def _named(plan: Plan) -> Iterable[str]:
    yield from (step.address.stack.namespace for step in plan.steps)
    for verdict in plan.evidence.verdicts:
        if "::" in verdict.object:
            yield Address.parse(verdict.object).stack.namespace
        elif not verdict.object.startswith(("plan of ", "Policy/")):
            yield Key.parse(verdict.object).namespace


def _matters(diagnostic: Diagnostic) -> bool:
    """Whether what is said of the whole workspace may hang on any namespace; a rule's warning is found again in each plan."""
    return diagnostic.code.startswith("TRU2") or diagnostic.severity is Severity.ERROR


def _namespaces(found: Prepared, file: str) -> Iterable[str]:
    prefix = f"{found.tree.prefix}/" if found.tree.prefix else ""
    path = file.removeprefix(prefix)
    if path not in found.tree.entries():
        return ()
    read = parsed_files(found.tree, [path], settings_in(found.tree)).get(path)
    return [d.key.namespace for d in read.documents] if read is not None else ()
