"""From Pulumi type tokens to the classes of the `pulumi_*` SDKs. Used by `program.py` only; imports an SDK when a token needs it.

An SDK registers its resource modules with the Pulumi runtime when it is imported; that registry is the map from token to class,
so no naming rule has to be guessed.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import metadata
from types import ModuleType
from typing import Any

from trueup_stacks.core.resources import KUBERNETES

NATIVE = "trueup:"
"""Tokens of the native provider."""

_LOADING = threading.RLock()

Constructor = Callable[[str, Mapping[str, Any], Any], Any]
"""(name, properties by their registry names, options) → the Pulumi resource."""


class UnknownType(LookupError):
    """A type token that no installed SDK has a class for."""


def is_native(token: str) -> bool:
    """Whether the native provider serves the type."""
    return token.startswith(NATIVE)


def snake(name: str) -> str:
    """The Python name of a registry property: `publicAccessBlock` → `public_access_block`, `clusterIP` → `cluster_ip`."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name))
    return spaced.lower()


@lru_cache(maxsize=512)
def resource_class(token: str) -> type[Any]:
    """The SDK's class of a token such as `kubernetes:apps/v1:Deployment`. Raises UnknownType, saying what to install."""
    with _LOADING:
        return _resource_class(token)


def _resource_class(token: str) -> type[Any]:
    from pulumi.runtime import rpc

    package, module, _ = token.split(":")
    try:
        root = importlib.import_module(f"pulumi_{package.replace('-', '_')}")
    except ImportError as error:
        raise UnknownType(
            f"The resource type {token} needs the Python package pulumi_{package}, which is not installed. "
            f"Install Trueup with the extra `{package}`."
        ) from error
    registered = rpc.get_resource_module(package, module, "")
    info = registered.mod_info if registered is not None else {"classes": {}}
    if token not in info["classes"]:
        raise UnknownType(f"The installed {root.__name__} has no class for the resource type {token}.")
    place = importlib.import_module(info["fqn"])
    _load(place, {root.__name__, f"{root.__name__}._utilities"})
    found: type[Any] = getattr(place, info["classes"][token])
    return found


def _load(module: ModuleType, seen: set[str]) -> None:
    """Loads a module of an SDK and those whose types it names, which the SDK would do when they are first read.

    That is not safe where several stacks are declared at once, as in CPython's issue 114763: a thread reads what another has half loaded.
    """
    name = str(object.__getattribute__(module, "__name__"))
    if name in seen:
        return
    seen.add(name)
    hasattr(module, "_utilities")  # the first look at a name of it is what loads it
    top = name.partition(".")[0]
    for value in list(vars(module).values()):
        if isinstance(value, ModuleType) and object.__getattribute__(value, "__name__").partition(".")[0] == top:
            _load(value, seen)


def constructor(token: str) -> Constructor:
    """What builds a resource of a type: top-level names become the class's, nested dictionaries go in as they are."""
    if _is_custom(token):
        return _custom(token)
    cls = resource_class(token)

    def build(name: str, properties: Mapping[str, Any], options: Any) -> Any:
        given = {snake(k): v for k, v in properties.items() if not _is_header(token, k)}
        return cls(name, opts=options, **given)

    return build


def _is_header(token: str, name: str) -> bool:
    """`apiVersion` and `kind` of a Kubernetes object are in its token already."""
    return token.startswith(KUBERNETES) and name in ("apiVersion", "kind")


def _is_custom(token: str) -> bool:
    """Whether a Kubernetes token is of a custom resource, which no class of the SDK stands for."""
    if not token.startswith(KUBERNETES):
        return False
    return not has_class(token) and "." in token.split(":")[1]


def has_class(token: str) -> bool:
    """Whether an installed SDK has a class for the type."""
    try:
        resource_class(token)
    except UnknownType:
        return False
    return True


def _custom(token: str) -> Constructor:
    """A custom resource with whatever fields it has: the SDK's class for them knows `spec` only."""
    _, version, kind = token.split(":")

    def build(name: str, properties: Mapping[str, Any], options: Any) -> Any:
        pulumi = importlib.import_module("pulumi")
        # As the SDK's classes do, so that there is one provider for all objects.
        pinned = pulumi.ResourceOptions(version=metadata.version("pulumi_kubernetes"))
        given = {**properties, "apiVersion": version, "kind": kind}
        return pulumi.CustomResource(token, name, given, pulumi.ResourceOptions.merge(options, pinned))

    return build
