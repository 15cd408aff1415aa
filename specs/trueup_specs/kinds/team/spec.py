"""`kind: Team`: people, and the namespaces they own."""

from __future__ import annotations

from pydantic import Field

from trueup_specs.core.envelope import Items, Name, SpecModel


class Member(SpecModel):
    """A person of the team."""

    user: str = Field(min_length=1)
    """The name on the forge."""
    email: str | None = None
    """The address in commits."""
    signing_keys: Items[str] = ()
    """SSH public keys (`ssh-ed25519 AAAA…`) or GPG fingerprints that the person signs with."""


class TeamSpec(SpecModel):
    """People, and the namespaces they own."""

    members: Items[Member] = Field(min_length=1)
    owns: Items[Name] = ()
    """Namespaces the team answers for; `*` is not allowed, so that a new namespace has an owner by decision."""
    groups: Items[str] = ()
    """Groups of the identity provider that a cluster knows the members by; by default it knows them as users, by their addresses."""
    break_glass: bool = False
    """Whether the members may apply with `--break-glass REASON`: past windows, approvals and soft policies, never past mandatory policies.
    They are known by their `signingKeys`, and the ledger records it as an event of its own."""
    contact: str | None = None
    """Where the team is reached: a channel, an address, a page."""
