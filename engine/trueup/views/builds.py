"""What `trueup build` and its `--verify` print, from the same values as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueup.build.gate import Judged, Verdict
    from trueup.build.verification import Report

_LISTED = 25


def text(made: Any) -> str:
    """An image that was built (`workspace.building.Built`)."""
    return "\n".join(_lines(made))


def _lines(made: Any) -> Iterator[str]:
    yield f"Built the image of {made.document} for {made.platform}: {made.content}, {made.packages} packages."
    for title, digest, size in made.layers:
        yield f"  {digest[:19]}  {size / 1e6:8.1f} MB  {title}"
    yield f"  on {made.base}"
    if made.verdict is not None:
        yield from verdict_lines(made.verdict)
    if made.passed:
        beside = "inventory, provenance and signature" if made.signed else "inventory and provenance"
        if made.out is not None:
            yield f"Wrote it, with its {beside}, to {made.out}."
        if made.reference:
            yield f"Pushed it, with its {beside}. Write into the spec:"
            yield f"  image: {made.reference}"
        else:
            yield f"Its digest: {made.digest}"
    yield from (f"note: {note}" for note in made.notes)


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """The gate's verdict, the gravest first."""
    newest = f", the newest of {verdict.newest[:10]}" if verdict.newest else ""
    yield f"Vulnerabilities: {len(verdict.judged)} in {verdict.parts} packages ({verdict.read} advisories{newest})."
    for judged in verdict.judged[:_LISTED]:
        yield f"  {_judged(judged)}"
    if len(verdict.judged) > _LISTED:
        yield f"  and {len(verdict.judged) - _LISTED} more; `-o json` lists all."
    for ecosystem, number in verdict.uncovered:
        yield f"  note: no advisory is about {ecosystem}, so nothing is known of {number} packages."
    if not verdict.passed:
        refused = sum(j.refused for j in verdict.judged)
        yield (
            f"Refused: {refused} of severity {verdict.fail_on} or above. Nothing was written or pushed. Lock with the fixes, take a "
            "newer base image, or except one with a reason and an end (--exceptions)."
        )


def _judged(judged: Judged) -> str:
    hit = judged.hit
    score = f" {hit.score:g}" if hit.score is not None else ""
    fixed = f"; fixed in {hit.fixed}" if hit.fixed else "; no fix known"
    shown = f"{hit.part.shown or hit.part.name} {hit.part.version}"
    note = f" ({judged.note})" if judged.note else ""
    mark = "x" if judged.refused else "-"
    return f"{mark} {hit.severity}{score} {hit.id} {shown}: {hit.summary or 'no summary'}{fixed}{note}"


def as_json(made: Any) -> dict[str, Any]:
    """An image that was built, for machines."""
    return {
        "document": made.document,
        "digest": made.digest,
        "image": made.reference or None,
        "out": str(made.out) if made.out is not None else None,
        "platform": made.platform,
        "content": made.content,
        "base": made.base,
        "packages": made.packages,
        "layers": [{"title": t, "digest": d, "bytes": s} for t, d, s in made.layers],
        "signed": made.signed,
        "passed": made.passed,
        "vulnerabilities": None if made.verdict is None else _verdict_json(made.verdict),
        "notes": list(made.notes),
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "failOn": verdict.fail_on,
        "passed": verdict.passed,
        "packages": verdict.parts,
        "advisories": verdict.read,
        "newest": verdict.newest,
        "uncovered": dict(verdict.uncovered),
        "found": [
            {
                "id": j.hit.id,
                "aliases": list(j.hit.aliases),
                "ecosystem": j.hit.part.ecosystem,
                "package": j.hit.part.shown or j.hit.part.name,
                "version": j.hit.part.version,
                "severity": j.hit.severity,
                "score": j.hit.score,
                "fixed": j.hit.fixed or None,
                "summary": j.hit.summary,
                "refused": j.refused,
                "note": j.note or None,
            }
            for j in verdict.judged
        ],
    }


def report_text(report: Report, verdict: Verdict | None) -> str:
    """An image that was verified."""
    lines = [report.image]
    if report.signed_by:
        lines.append(f"  signed by {', '.join(report.signed_by)}")
    built = (report.provenance.get("buildDefinition") or {}).get("resolvedDependencies") or ()
    for material in built:
        digest = ", ".join(f"{k}:{v[:12]}" for k, v in (material.get("digest") or {}).items())
        lines.append(f"  made from {material.get('name', '')}: {material.get('uri')} ({digest})")
    lines += verdict_lines(verdict) if verdict is not None else ()
    lines += [f"problem: {p}" for p in report.problems]
    if not report.problems:
        lines.append("Complete, signed, and its inventory and provenance are about it.")
    return "\n".join(lines)


def report_json(report: Report, verdict: Verdict | None) -> dict[str, Any]:
    """An image that was verified, for machines."""
    return {
        "image": report.image,
        "problems": list(report.problems),
        "signedBy": list(report.signed_by),
        "provenance": report.provenance or None,
        "signedProvenance": report.signed_provenance,
        "signedInventory": report.signed_inventory,
        "vulnerabilities": None if verdict is None else _verdict_json(verdict),
    }
