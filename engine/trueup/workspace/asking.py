"""What the loop asks of a forge, where one is around: the reviews that count as approvals, and a pull request or an issue about drift.

A forge that does not answer stops nothing but what needs its answer: what is not approved without it waits, and healing goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from trueup.approve.reviews import Found
from trueup.forge.values import ForgeError
from trueup.views.comments import escaping
from trueup.workspace import adopting, merging
from trueup.workspace.joining import Joined
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.operating import Finding
from trueup.workspace.planning import InvalidSpecs, Prepared

TITLE = "Trueup: drift in {environment}"


@dataclass(frozen=True)
class Asking:
    """The forge of a workspace, or none."""

    workspace: Workspace
    joined: Joined | None = None

    def reviewed(self, prepared: Prepared) -> tuple[Found, str]:
        """The reviews of what was merged since the last apply, and why they cannot be read, as a sentence (empty where they can)."""
        if self.joined is None:
            return Found(), ""
        try:
            merges = merging.merged(self.workspace, prepared, self.joined)
            return merging.judged(self.workspace, prepared, self.joined.forge, merges), ""
        except (ForgeError, WorkspaceError) as error:
            return Found(), f"Reviews cannot be read from {self.joined.forge.name} now: {error}"

    def adopt(self, environment: str, findings: tuple[Finding, ...]) -> str:
        """Opens the pull request that adopts drift, and an issue about what no edit of specs can adopt; why that did not work."""
        if self.joined is None:
            return f"{environment} asks for a pull request about its drift, and no forge is named (TRUEUP_FORGE and its token)."
        try:
            left = adopting.adopt(self.workspace, self.joined, environment, findings)
        except (ForgeError, WorkspaceError, InvalidSpecs) as error:
            return f"No pull request that adopts the drift could be opened: {error}"
        return self.issue(environment, left) if left else ""

    def issue(self, environment: str, drifted: tuple[str, ...]) -> str:
        """Opens the issue about an environment's drift, or writes it anew; why that did not work, as a sentence."""
        if self.joined is None:
            return (
                f"{environment} asks for an issue about its drift, and no forge is named (TRUEUP_FORGE and its token)."
            )
        lines = [f"What runs in {escaping.code(environment)} is not what was applied:", ""]
        lines += [f"- {escaping.code(text)}" for text in drifted]
        lines += ["", f"`trueup apply {environment}` puts it right; no approval is needed."]
        try:
            self.joined.forge.open_issue(TITLE.format(environment=environment), "\n".join(lines))
        except ForgeError as error:
            return f"No issue about the drift could be opened: {error}"
        return ""
