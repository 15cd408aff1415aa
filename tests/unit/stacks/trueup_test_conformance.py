"""Property names against the input types of the SDKs, down to the last nested one."""

from __future__ import annotations

import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping

from trueup_stacks.core.resources import Output, Resource, Secret
from trueup_stacks.sdk import is_native, resource_class, snake


def wrong_names(resource: Resource) -> list[str]:
    """Every property that the SDK's class has not, as a dotted path."""
    if is_native(resource.address.type):
        return []
    cls = resource_class(resource.address.type)
    parameters = inspect.signature(cls._internal_init).parameters
    module = sys.modules[cls.__module__]
    found = []
    for name, value in resource.properties.items():
        if snake(name) not in parameters:
            found.append(name)
            continue
        found += _nested(parameters[snake(name)].annotation, value, name, module)
    return found


def _nested(hint: object, value: object, path: str, module: types.ModuleType) -> Iterator[str]:
    if isinstance(value, (Output, Secret)):
        return
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _nested(hint, item, f"{path}[{number}]", module)
        return
    if not isinstance(value, Mapping):
        return
    inputs = _inputs(hint, module)
    if inputs is None:
        if "Mapping" not in repr(hint):
            yield f"{path} (holds no map)"
        return
    properties = _properties(inputs)
    home = sys.modules[inputs.__module__]
    for name, item in value.items():
        if name not in properties:
            yield f"{path}.{name}"
        else:
            yield from _nested(properties[name], item, f"{path}.{name}", home)


def _inputs(hint: object, module: types.ModuleType) -> type | None:
    """The `…Args` class that an annotation names; None where it is a free map."""
    for name in sorted(_names(hint), key=len):
        where = module
        for part in name.split("."):
            where = getattr(where, part, None) or importlib.import_module(f"{module.__name__}.{part}")
        if isinstance(where, type):
            return where
    return None


def _names(hint: object) -> Iterator[str]:
    """Forward references to input classes inside an annotation, whether it is text or a type."""
    if isinstance(hint, str):
        words = hint.replace("[", " ").replace("]", " ").replace(",", " ").replace("'", " ").replace('"', " ").split()
        yield from (w for w in words if w.endswith("Args"))
    elif isinstance(hint, typing.ForwardRef):
        yield from _names(hint.__forward_arg__)
    elif isinstance(hint, type) and hint.__name__.endswith("Args"):
        yield hint.__name__
    else:
        for argument in typing.get_args(hint):
            yield from _names(argument)


def _properties(inputs: type) -> dict[str, object]:
    """The registry's property names of an input class, with the annotation of each."""
    found: dict[str, object] = {}
    for name, member in inspect.getmembers(inputs, lambda m: isinstance(m, property)):
        getter = member.fget
        found[getattr(getter, "_pulumi_name", name)] = getter.__annotations__["return"]
    return found
