"""`kind: AccessPolicy`: who may change what, and who may apply."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Items, Name, SpecModel
from trueup_specs.core.references import EnvironmentRef, TeamRef


class AccessMatch(SpecModel):
    """What the policy is about; empty fields match all."""

    kinds: Items[str] = ()
    """Kinds of documents. An Overlay counts as its target too, with the fields that it patches."""
    namespaces: Items[Name] = ()
    environments: Items[EnvironmentRef] = ()
    """The environments in which the change, or the apply, has an effect."""
    fields: Items[str] = ()
    """Dotted paths such as `spec.predictor.minReplicas`, each with all below it. Who adds or removes a document touches all fields."""


class AccessPolicySpec(SpecModel):
    """Who may change what: nobody but those named changes what `match` is about. Of several policies that match, each must allow.

    What changed is told from documents, commit by commit: whoever wrote a commit, and its co-authors, must be allowed. The rules are the
    base branch's, so that a change cannot allow itself. Code and data are no documents: CODEOWNERS and rules of approval guard them.
    """

    match: AccessMatch = Field(default_factory=AccessMatch)
    on: Items[Literal["change", "apply"]] = ("change",)
    """`change`: judged for the author of each commit, when it is planned and when it is applied; `apply`: judged for whoever applies."""
    teams: Items[TeamRef] = ()
    """Whose members may."""
    users: Items[str] = ()
    """Who may beside them: members of a Team by their name on the forge, or addresses of identities that are no people, such as a job's."""
    require_signature: bool = False
    """Whether the author must have signed the commit, and whoever applies must sign, with a key of their Team's `signingKeys`."""
    forge_keys: Items[str] = ()
    """Keys that the forge signs the merges with that it makes (squash, rebase): a commit signed with one counts as signed by its author."""
    message: str = ""
    """What a person reads when it is refused, beside who did what."""
