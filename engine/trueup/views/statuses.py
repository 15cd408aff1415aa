"""Status, drift, runs and the doctor's findings as text and JSON. Sees values only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from trueup.plan.values import PropertyChange
from trueup.run.states import RunStatus
from trueup.views.clusters import ONE, Clusters, on
from trueup.views.words import duration, plural, worded
from trueup_stacks.core.resources import Address


class Row(Protocol):
    """One thing that is there (`workspace.operating.Row`)."""

    @property
    def document(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def health(self) -> str: ...
    @property
    def detail(self) -> str: ...


class Drifted(Protocol):
    """One resource that is not as recorded (`workspace.operating.Finding`)."""

    @property
    def address(self) -> Address: ...
    @property
    def what(self) -> str: ...
    @property
    def changes(self) -> tuple[PropertyChange, ...]: ...
    @property
    def detail(self) -> str: ...


class Check(Protocol):
    """One thing that the doctor looked at (`workspace.diagnosis.Check`)."""

    @property
    def name(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def found(self) -> str: ...
    @property
    def fix(self) -> str: ...
    @property
    def optional(self) -> bool: ...


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two blanks between."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def text(environment: str, rows: Sequence[Row], urls: Mapping[str, str], now: datetime | None = None) -> str:
    """What runs in an environment, one line a resource."""
    if not rows:
        return f"Nothing is applied to {environment}.\n"
    moment = now or datetime.now(UTC)
    head = ("DOCUMENT", "RESOURCE", "VERSION", "SINCE", "HEALTH", "")
    body = [
        (
            r.document,
            r.resource,
            r.version,
            since(r.since, moment),
            r.health,
            r.detail.splitlines()[0] if r.detail else "",
        )
        for r in rows
    ]
    found = table([head, *body])
    if urls:
        found += "\n" + table([(name, url) for name, url in sorted(urls.items())])
    return found


def since(moment: datetime | None, now: datetime) -> str:
    """`3 min ago`; empty where it is not known."""
    return f"{duration((now - moment).total_seconds())} ago" if moment else ""


def as_json(environment: str, rows: Iterable[Row], urls: Mapping[str, str]) -> dict[str, Any]:
    """The status for machines."""
    resources = [
        {
            "document": r.document,
            "resource": r.resource,
            "version": r.version,
            "since": r.since.isoformat() if r.since else None,
            "health": r.health,
            "detail": r.detail,
        }
        for r in rows
    ]
    return {"environment": environment, "resources": resources, "urls": dict(urls)}


def away_text(away: Mapping[str, str]) -> str:
    """The clusters that do not answer and are skipped."""
    return "".join(f"AWAY  the cluster {name!r}, which is skipped: {why}\n" for name, why in sorted(away.items()))


def away_json(away: Mapping[str, str]) -> dict[str, Any]:
    """The same for machines; nothing where all answer."""
    return {"away": dict(sorted(away.items()))} if away else {}


def drift_text(environment: str, found: Sequence[Drifted], clusters: Clusters = ONE) -> str:
    """What is not as it was applied, and what to do. `clusters` are the names of several, by what the names of their stacks end with."""
    if not found:
        return f"No drift: what Trueup itself provides in {environment} is as it was applied.\n"
    lines = []
    for finding in found:
        detail = f": {finding.detail.splitlines()[0]}" if finding.detail else ""
        where = on(finding.address, clusters)
        lines.append(f"{finding.what.upper()}  {finding.address.type} {finding.address.name}{where}{detail}")
        lines += [f"    {c.path}: applied {worded(c.recorded)}, live {worded(c.desired)}" for c in finding.changes]
    lines.append(
        f"{plural(len(found), 'resource')} drifted. `trueup apply {environment}` puts them right; no approval is needed."
    )
    return "\n".join(lines) + "\n"


def drift_json(environment: str, found: Iterable[Drifted]) -> dict[str, Any]:
    """Drift for machines."""
    resources = [
        {
            "resource": str(f.address),
            "what": f.what,
            "detail": f.detail,
            "changes": [{"path": c.path, "applied": c.recorded, "live": c.desired} for c in f.changes],
        }
        for f in found
    ]
    return {"environment": environment, "drift": resources}


def runs_text(runs: Sequence[RunStatus], now: float | None = None) -> str:
    """Runs, newest first, with their steps."""
    if not runs:
        return "No runs.\n"
    lines = []
    for run in runs:
        took = duration(run.ended - run.started) if run.ended and run.started else ""
        lines.append(
            f"{_mark(run)}  {run.outcome:11}  {run.pipeline}  {took}" + (f"  {run.reason}" if run.reason else "")
        )
        for step in run.steps:
            seconds = duration(step.ended - step.started) if step.ended and step.started else ""
            metrics = "  ".join(f"{k}={v:.4g}" for k, v in sorted(step.metrics.items())[:6])
            lines.append(f"    {step.phase:10} {step.name:20} {seconds:8} {metrics or step.reason}".rstrip())
    return "\n".join(lines) + "\n"


def _mark(run: RunStatus) -> str:
    """What a run is told by: the start of a fingerprint; the whole name of one that a cluster has."""
    return run.fingerprint if "-" in run.fingerprint else run.fingerprint[:12]


def runs_json(runs: Iterable[RunStatus]) -> list[Any]:
    """Runs for machines."""
    import msgspec

    return [json.loads(msgspec.json.encode(r)) for r in runs]


def doctor_text(checks: Iterable[Check]) -> str:
    """One line a check, and what to do."""
    lines = []
    for check in checks:
        mark = "ok" if check.ok else "optional" if check.optional else "MISSING"
        lines.append(f"{mark:8}  {check.name}: {check.found}")
        if check.fix and not check.ok:
            lines.append(f"          {check.fix}")
    return "\n".join(lines) + "\n"
