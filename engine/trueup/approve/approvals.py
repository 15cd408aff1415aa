"""Giving an approval: the seal of a plan, signed. Called by `trueup approve`; writes nothing, returns what the ledger is to keep."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from trueup.approve import seals, signatures
from trueup.plan.values import Plan
from trueup_specs.kinds.team.spec import TeamSpec


class ApprovalError(Exception):
    """The approval cannot be given; the text says why and what to do."""


def sign(
    repository: Path, plan: Plan, teams: Mapping[str, TeamSpec], authors: frozenset[str] = frozenset()
) -> seals.Approval:
    """An approval of all effects of a plan, with the user's Git key.

    Raises ApprovalError where there is no key, where it is no key of a member of a team, or of one of the `authors` (`authorship.authors`):
    nobody would count it.
    """
    time = datetime.now(UTC).isoformat(timespec="seconds")
    data = seals.payload(plan.workspace, plan.environment, plan.seal, time)
    try:
        form, signature = signatures.sign(repository, data)
        member = signatures.verified(form, signature, data, teams)
    except signatures.SignatureError as error:
        raise ApprovalError(str(error)) from None
    if member is None:
        listed = ", ".join(sorted(teams)) or "none"
        raise ApprovalError(
            f"Your key is in `signingKeys` of no member of a Team (teams: {listed}), so the approval would not count. "
            "Add your public key to your Team's document and have that merged."
        )
    if not member.email:
        raise ApprovalError(
            f"{member.user} has no `email` in the Team, so nobody can tell whether the change is their own, and the approval would not "
            "count. Add it and have that merged."
        )
    if member.email.lower() in authors:
        raise ApprovalError(
            f"The change is your own ({member.email} wrote it), so your approval would not count. Ask another member of the team."
        )
    mark = hashlib.sha256(data + signature.encode()).hexdigest()[:20]
    return seals.Approval(
        mark, plan.workspace, plan.environment, plan.seal, time, form, signature, plan.commit, member.user
    )
