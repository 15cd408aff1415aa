"""Which fields a document sets that its target cannot honour. Called by `compile/compilation.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from trueup_specs.core.diagnostics import Diagnostic, Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Location
from trueup_stacks.core.targets import Catalog, KindSupport, Refusal


def unhonoured(document: Document, support: KindSupport, catalog: Catalog) -> Iterator[Diagnostic]:
    """An error (a warning where harmless) for each field that is set to other than its default and that the target does not honour."""
    for field in support.unhonoured:
        parts = field.path.removeprefix("spec.").split(".")
        if field.where(catalog) and any(_is_set(document.spec, parts)):
            yield Diagnostic(
                "TRU2002",
                Severity.WARNING if field.harmless else Severity.ERROR,
                f"{document.key} sets {field.path}, which the target {catalog.settings.target!r} cannot honour.",
                Location(document.source.file),
                detail=f"{field.reason[:1].upper()}{field.reason[1:]}.",
                fix=f"Remove it, or set it in an Overlay of environments with another target than {catalog.environment!r}'s.",
            )


def refused(document: Document, refusals: Iterable[Refusal], catalog: Catalog) -> Iterator[Diagnostic]:
    """An error for each reason that the target cannot make anything of the document as it stands."""
    for refusal in refusals:
        yield Diagnostic(
            "TRU2006",
            Severity.ERROR,
            f"{document.key} cannot be made on the target {catalog.settings.target!r}: {refusal.reason}.",
            Location(document.source.file),
            detail=f"It is about {refusal.path}.",
            fix=refusal.fix,
        )


def _is_set(value: Any, parts: list[str]) -> Iterator[bool]:
    """Whether the dotted path leads to something that was set to other than its default."""
    if not isinstance(value, BaseModel):
        return
    name, rest = parts[0], parts[1:]
    many = name.endswith("[]")
    for field, info in type(value).model_fields.items():
        if (info.alias or field) != name.removesuffix("[]"):
            continue
        inner = getattr(value, field)
        if not rest:
            yield field in value.model_fields_set and inner != info.get_default(call_default_factory=True)
        elif many:
            for item in inner or ():
                yield from _is_set(item, rest)
        else:
            yield from _is_set(inner, rest)
