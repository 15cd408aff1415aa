"""`kind: ObjectStore`: a bucket."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Items, Name, SpecModel


class Encryption(SpecModel):
    """Encryption at rest."""

    algorithm: Literal["AES256", "aws:kms"] = "AES256"
    key: str | None = None
    """The key's ARN or id, for `aws:kms`."""


class Transition(SpecModel):
    """Moves objects to a cheaper class after some days."""

    days: int = Field(ge=1)
    storage_class: Literal["STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]


class LifecycleRule(SpecModel):
    """What happens to objects as they age."""

    name: Name
    prefix: str = ""
    expire_days: int | None = Field(default=None, ge=1)
    noncurrent_expire_days: int | None = Field(default=None, ge=1)
    abort_incomplete_uploads_days: int | None = Field(default=None, ge=1)
    transitions: Items[Transition] = ()


class ObjectStoreSpec(SpecModel):
    """A bucket: private, encrypted and versioned unless said otherwise."""

    bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]$")
    """The bucket's name; by default made from workspace, environment, namespace and name."""
    versioning: bool = True
    encryption: Encryption = Field(default_factory=Encryption)
    lifecycle: Items[LifecycleRule] = ()
    block_public_access: bool = True
    force_destroy: bool = False
    """Lets a delete take the objects with it."""
    description: str = ""
