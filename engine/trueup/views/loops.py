"""The loop as text, JSON and log lines. Sees values only."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from trueup.reconcile.values import Action, Line, Standing, Turn

_PLAIN = re.compile(r"[\w.:/+@%,-]+")
SAID = {
    Action.NOTHING: "Nothing to do",
    Action.APPLY: "Applied",
    Action.HEAL: "Healed",
    Action.REPORT: "Drift",
    Action.WAIT: "Waits",
    Action.REFUSED: "Refused",
    Action.PAUSED: "Paused",
    Action.BROKEN: "Broken",
}


def log_line(line: Line, now: float) -> str:
    """One line as `key=value` pairs (logfmt), whatever the values hold."""
    return " ".join(f"{k}={_value(v)}" for k, v in _pairs(line, now).items())


def log_json(line: Line, now: float) -> str:
    """One line as JSON."""
    return json.dumps(_pairs(line, now), ensure_ascii=False)


def _pairs(line: Line, now: float) -> dict[str, str | int | float]:
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    about = {"env": line.environment} if line.environment else {}
    return {"time": moment, "level": line.level, "event": line.event, **about, **line.fields}


def _value(value: str | int | float) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def text(turn: Turn | Standing) -> str:
    """A turn for people; of an environment that another loop leads, or that could not be judged, that."""
    if isinstance(turn, Standing):
        return f"{turn.environment}: {f'Failed. {turn.error}' if turn.error else turn.other}\n"
    head = SAID[turn.decision.action]
    if turn.outcome and turn.outcome != "done":
        head = f"{'Apply' if turn.decision.action is Action.APPLY else 'Heal'}: {turn.outcome}"
    lines = [f"{turn.environment}: {head}. {turn.decision.reasons[0]}"]
    lines += [f"  {reason}" for reason in turn.decision.reasons[1:]]
    if turn.error:
        lines.append(f"  {turn.error}")
    if turn.entry:
        lines.append(f"  recorded as {turn.entry[:10]}")
    return "\n".join(lines) + "\n"


def as_json(found: Turn | Standing) -> dict[str, Any]:
    """A turn for machines; of an environment that another loop leads, that."""
    if isinstance(found, Standing):
        action = "error" if found.error else "standby"
        return {"environment": found.environment, "action": action, "reasons": [found.error or found.other]}
    return {
        "environment": found.environment,
        "action": str(found.decision.action),
        "reasons": list(found.decision.reasons),
        "commit": found.commit,
        "applied": found.applied,
        "outcome": found.outcome or ("vacant" if found.vacant else ""),
        "error": found.error,
        "drifted": list(found.drifted),
        "again": found.decision.again or None,
        "seconds": round(found.seconds, 3),
        "entry": found.entry,
    }
