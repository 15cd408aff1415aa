"""The resource types of the native provider. Read by `server` and by `observe`; the one line that a new type adds is here.

Imports no component before it is asked for, and never Pulumi.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from trueup.provider.component import Component

PACKAGE = "trueup"
"""The package part of every token, and the name that Pulumi knows the provider by."""

COMPONENTS: dict[str, str] = {
    "trueup:data:Table": "trueup.provider.table:Table",
    "trueup:data:Bucket": "trueup.provider.bucket:Bucket",
    "trueup:features:Entity": "trueup.provider.entity:Entity",
    "trueup:features:FeatureView": "trueup.provider.feature_view:FeatureView",
    "trueup:features:FeatureService": "trueup.provider.feature_service:FeatureService",
    "trueup:run:Run": "trueup.provider.run:Run",
    "trueup:run:Gate": "trueup.provider.gate:Gate",
    "trueup:registry:RegisteredModel": "trueup.provider.registered_model:RegisteredModel",
    "trueup:registry:Alias": "trueup.provider.alias:Alias",
    "trueup:serve:Service": "trueup.provider.service:Service",
    "trueup:serve:Gateway": "trueup.provider.gateway:Gateway",
}
"""Token → `module:Class`."""


@cache
def component(token: str) -> Component:
    """The component of a type token. Raises LookupError for a token that is not ours."""
    if token not in COMPONENTS:
        raise LookupError(f"The provider {PACKAGE!r} has no resource type {token!r}; it has {', '.join(COMPONENTS)}.")
    module, name = COMPONENTS[token].split(":")
    return cast(Component, getattr(import_module(module), name)())
