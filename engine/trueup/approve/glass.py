"""Break-glass: an apply that passes windows, approvals and soft policies, for people whose team may, with a reason. Called by `permitting`.

Whoever breaks the glass signs what is about to be done with their Git key; the signature is kept in the ledger's own event. Mandatory
policies, access policies and the protection of data hold all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trueup.approve import signatures
from trueup.plan.values import Plan
from trueup_specs.kinds.team.spec import TeamSpec

SHORTEST = 10
"""Characters of a reason, at least: `fix` explains nothing afterwards."""


class GlassError(Exception):
    """The glass cannot be broken; the text says why and what to do."""


@dataclass(frozen=True)
class Broken:
    """Who broke the glass, why, and the proof."""

    by: str
    reason: str
    time: str
    format: str
    signature: str
    passed: tuple[str, ...] = ()
    """What stood against the apply and was passed over, as sentences."""


def broken(
    repository: Path, plan: Plan, teams: Mapping[str, TeamSpec], former: Mapping[str, TeamSpec], reason: str
) -> Broken:
    """Breaks the glass for a plan, with the user's Git key. Raises GlassError.

    `former` are the teams as they were applied last (empty where nothing was): nobody lets themselves in with the change at hand.
    """
    if len(reason.strip()) < SHORTEST:
        raise GlassError(f"--break-glass needs a reason that others understand, of {SHORTEST} characters at least.")
    may = {n: t for n, t in teams.items() if t.break_glass}
    if not may:
        raise GlassError("No Team has `breakGlass: true`, so nobody may apply with --break-glass.")
    time = datetime.now(UTC).isoformat(timespec="seconds")
    data = payload(plan, reason.strip(), time)
    try:
        form, signature = signatures.sign(repository, data)
        member = signatures.verified(form, signature, data, may)
        known = member is not None and (not former or _knows(form, signature, data, former))
    except signatures.SignatureError as error:
        raise GlassError(str(error)) from None
    if member is None:
        raise GlassError(
            f"Your key is in `signingKeys` of no member of {' or '.join(sorted(may))}, whose members may break the glass."
        )
    if not known:
        raise GlassError(f"{member.user} may break the glass only by a change that is not applied yet.")
    return Broken(member.user, reason.strip(), time, form, signature)


def _knows(form: str, signature: str, data: bytes, former: Mapping[str, TeamSpec]) -> bool:
    return signatures.verified(form, signature, data, {n: t for n, t in former.items() if t.break_glass}) is not None


def payload(plan: Plan, reason: str, time: str) -> bytes:
    """The bytes that are signed."""
    import rfc8785

    value: Any = {
        "version": 1,
        "purpose": "break-glass",
        "workspace": plan.workspace,
        "environment": plan.environment,
        "commit": plan.commit,
        "seal": plan.seal_digest,
        "reason": reason,
        "time": time,
    }
    return bytes(rfc8785.dumps(value))


def details(found: Broken, plan: Plan) -> dict[str, Any]:
    """What the ledger keeps: enough to verify the signature anew."""
    return {
        "why": found.reason,
        "by": found.by,
        "passed": list(found.passed),
        "effects": len(plan.seal),
        "seal": plan.seal_digest,
        "time": found.time,
        "signature": {"format": found.format, "value": found.signature},
    }
