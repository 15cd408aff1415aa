"""Histories, bisections and success metrics as text and JSON. Sees values only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from trueup.views.audit import moment
from trueup.views.statuses import table
from trueup.views.words import duration, short


class Moment(Protocol):
    """One thing that happened (`workspace.histories.Moment`)."""

    @property
    def document(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def time(self) -> datetime | None: ...
    @property
    def event(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def entry(self) -> str: ...
    @property
    def version(self) -> int | None: ...
    @property
    def commit(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def approvers(self) -> tuple[str, ...]: ...
    @property
    def verdict(self) -> str: ...
    @property
    def evidence(self) -> tuple[str, ...]: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...


class Metric(Protocol):
    """One success metric (`workspace.measuring.Metric`)."""

    @property
    def name(self) -> str: ...
    @property
    def counts(self) -> str: ...
    @property
    def numerator(self) -> float: ...
    @property
    def denominator(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def value(self) -> float | None: ...


class Point(Protocol):
    """One commit of a bisection (`workspace.bisecting.Point`)."""

    @property
    def commit(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def value(self) -> float | None: ...
    @property
    def source(self) -> str: ...


class Found(Protocol):
    """What a bisection came to (`workspace.bisecting.Found`)."""

    @property
    def metric(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def good(self) -> Point: ...
    @property
    def bad(self) -> Point: ...
    @property
    def before(self) -> Point: ...
    @property
    def between(self) -> Sequence[Point]: ...
    @property
    def points(self) -> Sequence[Point]: ...
    @property
    def settled(self) -> bool: ...


def text(found: Sequence[Moment]) -> str:
    """A history, newest first: a table, and below it what a line has no room for."""
    if not found:
        return "The ledger tells nothing of it in this environment.\n"
    head = ("TIME (UTC)", "ENVIRONMENT", "DOCUMENT", "WHAT", "VERSION", "GATES", "BY", "SPECS")
    return table([head, *(_row(m) for m in found)]) + "".join(f"{line}\n" for m in found for line in _more(m))


def _row(found: Moment) -> tuple[str, ...]:
    outcome = "" if found.outcome in ("done", found.event) else f" ({found.outcome})"
    version = str(found.version) if found.version is not None else ""
    actor = found.actor.partition(" <")[0]
    specs = short(found.commit) if found.commit else ""
    return (
        moment(found.time),
        found.environment,
        found.document,
        f"{found.event}{outcome}",
        version,
        found.verdict,
        actor,
        f"{specs} {found.subject}".strip(),
    )


def _more(found: Moment) -> Iterator[str]:
    lines = []
    if found.approvers:
        lines.append("approved by " + ", ".join(found.approvers))
    if found.why:
        lines.append(f"why: {found.why}")
    if found.verdict == "held":
        lines += list(found.evidence)
    if lines:
        yield f"\n{moment(found.time)} {found.environment} {found.document} {found.event}:"
        yield from (f"  {line}" for line in lines)


def as_json(found: Iterable[Moment]) -> list[dict[str, Any]]:
    """A history for machines."""
    return [
        {
            "document": m.document,
            "environment": m.environment,
            "time": m.time.isoformat() if m.time else None,
            "event": m.event,
            "outcome": m.outcome,
            "version": m.version,
            "actor": m.actor,
            "commit": m.commit,
            "author": m.author,
            "subject": m.subject,
            "why": m.why,
            "approvedBy": list(m.approvers),
            "verdict": m.verdict,
            "evidence": list(m.evidence),
            "metrics": dict(m.metrics),
            "entry": m.entry,
        }
        for m in found
    ]


def metrics_text(found: Iterable[Metric]) -> str:
    """Success metrics, each with what was counted and of how many."""
    head = ("METRIC", "VALUE", "OF", "TARGET", "WHAT IS COUNTED")
    rows = [(m.name, _worth(m), _of(m), m.target, m.counts + (f"; {m.detail}" if m.detail else "")) for m in found]
    return table([head, *rows])


def _worth(metric: Metric) -> str:
    if metric.value is None:
        return "no data"
    return f"{metric.value:.1%}" if metric.unit == "share" else duration(metric.value)


def _of(metric: Metric) -> str:
    top = f"{metric.numerator:.0f}" if metric.unit == "share" else f"{metric.numerator:.0f} s"
    return f"{top} / {metric.denominator:.0f}"


def metrics_json(found: Iterable[Metric]) -> list[dict[str, Any]]:
    """Success metrics for machines; `value` is null where nothing was there to count."""
    return [
        {
            "name": m.name,
            "counts": m.counts,
            "numerator": m.numerator,
            "denominator": m.denominator,
            "value": m.value,
            "unit": m.unit,
            "target": m.target,
            "detail": m.detail,
        }
        for m in found
    ]


def bisect_text(found: Found) -> str:
    """Which commit made the metric worse, and how that is known."""
    head = ("COMMIT", found.metric.upper(), "RUN", "FROM", "BY", "")
    rows = [
        (
            short(p.commit),
            "" if p.value is None else f"{p.value:.6g}",
            p.run[:12],
            p.source or "no run",
            p.author,
            p.subject,
        )
        for p in found.points
    ]
    return table([head, *rows]) + "\n" + "\n".join(_verdict(found)) + "\n"


def _verdict(found: Found) -> Iterator[str]:
    change = f"{found.metric} of {found.model} in {found.environment} went from {found.before.value:.6g} to {found.bad.value:.6g}"
    if found.settled:
        yield f"{short(found.bad.commit)} is the first bad commit: {change}."
        yield f"  {found.bad.author}: {found.bad.subject}"
        return
    yield f"It is {short(found.bad.commit)}, or one of the {len(found.between)} before it that have no run: {change}."
    yield from (f"  {short(p.commit)} {p.subject}: {p.source or 'no run'}" for p in found.between)


def bisect_json(found: Found) -> dict[str, Any]:
    """A bisection for machines."""
    return {
        "metric": found.metric,
        "model": found.model,
        "environment": found.environment,
        "firstBad": found.bad.commit,
        "lastGood": found.before.commit,
        "settled": found.settled,
        "withoutRun": [p.commit for p in found.between],
        "commits": [
            {
                "commit": p.commit,
                "author": p.author,
                "subject": p.subject,
                "run": p.run,
                "value": p.value,
                "source": p.source,
            }
            for p in found.points
        ],
    }
