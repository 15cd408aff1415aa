"""The pull requests that Trueup opens itself: a promotion with its evidence, and a rollback. Titles and bodies, from values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup.views.comments import escaping, fitting, limits
from trueup.views.comments.blocks import Block, Items, Paragraph, Table, pieces
from trueup.views.comments.headlines import NAME
from trueup.views.comments.limits import Limit
from trueup.views.words import duration, short, worded

_MOST = 200


@dataclass(frozen=True, slots=True)
class Data:
    """A data set that a version was trained from."""

    document: str
    version: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that is to go on from one environment to the next, and what speaks for it."""

    model: str
    """`str(Key)`."""
    version: int
    source: str
    """The environment where it is in use."""
    target: str
    before: int | None = None
    """The version in use in `target`."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    metrics_before: Mapping[str, float] = field(default_factory=dict)
    """Of the version in use in `target`, where they are known."""
    evidence: tuple[Mapping[str, Any], ...] = ()
    """The gate's checks, as it recorded them: `verdict`, `text`."""
    live: tuple[str, ...] = ()
    """What was judged on live metrics: one sentence each."""
    data: tuple[Data, ...] = ()
    code: str = ""
    """The tree of the code that trained it."""
    commit: str = ""
    """The specs that it was accepted for in `source`."""
    approvers: tuple[str, ...] = ()
    """Who approved what was applied in `source`."""
    served_seconds: float | None = None
    soak: str = ""
    """How long `promotion.soak` asks for."""
    entry: str = ""
    """The ledger's entry that accepted it."""
    file: str = ""
    """The file that the pull request changes."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """An environment's specs as they were at an earlier commit."""

    environment: str
    current: str
    """The commit that is undone, or the newest of them."""
    wanted: str
    """The commit whose specs are restored."""
    reverted: tuple[tuple[str, str], ...] = ()
    """(commit, subject) of what is undone, newest first."""
    documents: tuple[str, ...] = ()
    why: str = ""
    actor: str = ""
    broken_glass: bool = False
    """Whether it was applied at once and this makes main say the same."""
    entry: str = ""


def promotion_title(promotion: Promotion) -> str:
    """The title of the pull request."""
    return _plain(f"Promote {promotion.model} version {promotion.version} to {promotion.target}", 200)


def promotion_body(promotion: Promotion, limit: Limit = limits.DESCRIPTION) -> str:
    """The body of the pull request: what changes, and the evidence, all of it to be found in the ledger."""
    return _body(_promotion(promotion), limit)


@dataclass(frozen=True, slots=True)
class Adopted:
    """A field that is to say what runs."""

    document: str
    field: str
    before: Any
    """What was applied."""
    live: Any


@dataclass(frozen=True, slots=True)
class Adoption:
    """Drift that the specs are to adopt."""

    environment: str
    adopted: tuple[Adopted, ...] = ()
    left: tuple[str, ...] = ()
    """Drift that no field can say."""


def adoption_title(found: Adoption) -> str:
    """The title of the pull request."""
    what = found.adopted[0].document if len(found.adopted) == 1 else f"{len(found.adopted)} fields"
    return _plain(f"Adopt what runs in {found.environment}: {what}", 200)


def adoption_body(found: Adoption, limit: Limit = limits.DESCRIPTION) -> str:
    """The body of the pull request: what was changed outside of Trueup, what merging and closing it mean."""
    return _body(_adoption(found), limit)


def _adoption(found: Adoption) -> Iterator[Block]:
    yield Paragraph(f"**What runs in {_code(found.environment, NAME)} was changed outside of Trueup.**")
    rows = tuple(
        (_cell(a.document), _cell(a.field), _cell(worded(a.before)), _cell(worded(a.live)))
        for a in found.adopted[:_MOST]
    )
    yield Table(("document", "field", "applied", "live"), rows)
    yield Paragraph(
        "Merging this makes it what the specs say; the edited specs were compiled, and say what is live. To take it back instead, close "
        f"this and run {_code(f'trueup apply {found.environment}')}, which needs no approval."
    )
    if found.left:
        yield Paragraph("**No field of the specs says this**, so it stays drift:")
        yield Items(tuple(_code(text, 300) for text in found.left[:_MOST]))


def rollback_title(rollback: Rollback) -> str:
    """The title of the pull request."""
    return _plain(f"Roll {rollback.environment} back to {short(rollback.wanted)}", 200)


def rollback_body(rollback: Rollback, limit: Limit = limits.DESCRIPTION) -> str:
    """The body of the pull request: what is undone, why, and who asked for it."""
    return _body(_rollback(rollback), limit)


def _body(blocks: Iterator[Block], limit: Limit) -> str:
    rest = lambda left: f"\n_{left} more lines found no room here._\n"  # noqa: E731 — what `divided` calls
    return fitting.divided(lambda _part, _parts: "", pieces(blocks), "", limit, rest, most=1)[0].lstrip("\n")


def _promotion(found: Promotion) -> Iterator[Block]:
    now = f"version {found.before}" if found.before is not None else "no version"
    yield Paragraph(
        f"**{_code(found.model, NAME)}: version {found.version} goes on from {_code(found.source, NAME)} "
        f"to {_code(found.target, NAME)}**, where {now} is in use."
    )
    yield Items(tuple(_facts(found)))
    yield Paragraph("**Metrics**") if found.metrics else Items(())
    yield Table(("metric", f"version {found.version}", f"in use: {now}", "difference"), tuple(_metrics(found)))
    yield Paragraph("**What its gate said**") if found.evidence else Items(())
    yield Table(("verdict", "check"), tuple(_checks(found)))
    yield Paragraph("**Live metrics**") if found.live else Items(())
    yield Items(tuple(_prose(line) for line in found.live[:_MOST]))
    yield Paragraph("**Trained from**") if found.data else Items(())
    rows = tuple((_cell(d.document), _cell(d.version or "-"), _cell(d.digest[:16] or "-")) for d in found.data[:_MOST])
    yield Table(("data", "version", "content"), rows)
    yield Paragraph(
        f"Merging this pins the version; nothing is trained again. {_proof(found.entry, found.model, found.source)}"
    )


def _facts(found: Promotion) -> Iterator[str]:
    if found.file:
        yield f"One pinned version changes, in {_code(found.file)}"
    if found.served_seconds is not None:
        asked = f"; {_code('promotion.soak')} asks for {_code(found.soak)}" if found.soak else ""
        yield f"It has served in {_code(found.source, NAME)} for {duration(found.served_seconds)}{asked}"
    if found.approvers:
        yield "Approved there by " + ", ".join(_code(a, NAME) for a in found.approvers[:20])
    if found.commit:
        trained = f", trained by code {_code(short(found.code))}" if found.code else ""
        yield f"Specs at {_code(short(found.commit))}{trained}"


def _metrics(found: Promotion) -> Iterator[tuple[str, ...]]:
    for name, value in sorted(found.metrics.items())[:_MOST]:
        old = found.metrics_before.get(name)
        known = ("-", "-") if old is None else (f"{old:.4g}", f"{value - old:+.4g}")
        yield (_cell(name), f"{value:.4g}", *known)


def _checks(found: Promotion) -> Iterator[tuple[str, str]]:
    for check in found.evidence[:_MOST]:
        text = str(check.get("text") or check.get("metric") or check.get("name") or "")
        yield _prose(str(check.get("verdict", "")), 40, in_cell=True), _prose(text, in_cell=True)


def _proof(entry: str, document: str, environment: str) -> str:
    blame = _code(f"trueup audit blame {document} --env {environment}")
    shown = f"{_code(f'trueup audit show {entry[:16]}')} and " if entry else ""
    return f"All of this stands in the ledger: {shown}{blame} show it, {_code('trueup audit verify')} proves it."


def _rollback(found: Rollback) -> Iterator[Block]:
    yield Paragraph(
        f"**{_code(found.environment, NAME)} goes back to the specs of {_code(short(found.wanted))}**, "
        f"from {_code(short(found.current))}. No model is trained again: the versions exist."
    )
    if found.broken_glass:
        yield Paragraph(
            "⚠️ **It was applied already, past the approvals (break-glass)**: merging this makes the branch say the same."
        )
    facts = []
    if found.why:
        facts.append(f"Why: {_prose(found.why)}")
    if found.actor:
        facts.append(f"Asked for by {_code(found.actor, NAME)}")
    if found.entry:
        facts.append(f"Ledger entry {_code(found.entry[:16])}")
    yield Items(tuple(facts))
    yield Paragraph("**What is undone**") if found.reverted else Items(())
    yield Table(("commit", "subject"), tuple((_cell(short(c)), _cell(s)) for c, s in found.reverted[:_MOST]))
    yield Paragraph("**Specs that change**") if found.documents else Items(())
    yield Items(tuple(_code(d) for d in found.documents[:_MOST]))


def _code(text: str, width: int = escaping.WIDEST) -> str:
    return escaping.code(escaping.unlinked(text), width)


def _cell(text: str) -> str:
    return escaping.cell(escaping.unlinked(text))


def _prose(text: str, width: int = 400, *, in_cell: bool = False) -> str:
    return escaping.prose(escaping.unlinked(text), width, in_cell=in_cell)


def _plain(text: str, width: int) -> str:
    return escaping.plain(escaping.unlinked(text), width)
