"""What an overlay may say: which kinds have overlays, and the schema of a patch made from that of a spec. Pure; called by `schemas`."""

from __future__ import annotations

from typing import Any

from trueup_specs.core.kinds import Layer
from trueup_specs.core.patches import DELETE
from trueup_specs.kinds import KINDS

Json = dict[str, Any]

OVERLAYABLE = tuple(name for name, kind in KINDS.items() if kind.layer is not Layer.WORKSPACE)
"""Kinds that become resources of an environment; the others configure the workspace and hold everywhere."""


def patching(definitions: Json, root: str) -> Json:
    """Definitions of a patch of `root`: under `NAME.patch` where values merge, under `NAME` where they replace.

    In a merged map nothing is required and `null` deletes; an item of a list of named items may be deleted by `$patch: delete`.
    """
    found: Json = {}
    _patched(root, definitions, found)
    return found


def _patched(name: str, definitions: Json, found: Json) -> str:
    target = f"{name}.patch"
    if target not in found:
        found[target] = {}
        found[target].update(_map(definitions[name], definitions, found))
    return target


def _map(definition: Json, definitions: Json, found: Json) -> Json:
    kept = {k: v for k, v in definition.items() if k not in ("required", "properties")}
    properties = {k: _merged(v, definitions, found) for k, v in definition.get("properties", {}).items()}
    if "name" in properties:
        properties[DELETE] = {"const": "delete", "description": "Removes the item of this name."}
    return {**kept, "properties": properties}


def _merged(value: Json, definitions: Json, found: Json) -> Json:
    """A field's schema as the patch has it: what it was, or null."""
    kept = {k: v for k, v in value.items() if k in ("description", "default")}
    return {**kept, "anyOf": [_value(value, definitions, found), {"type": "null"}]}


def _value(value: Json, definitions: Json, found: Json) -> Json:
    value = {k: v for k, v in value.items() if k not in ("description", "default")}
    if "$ref" in value:
        return {"$ref": f"#/$defs/{_patched(_name(value), definitions, found)}"}
    if "anyOf" in value:
        return {**value, "anyOf": [_value(option, definitions, found) for option in value["anyOf"]]}
    if value.get("type") == "array" and "$ref" in value.get("items", {}):
        return {**value, "items": _item(value["items"], definitions, found)}
    if isinstance(value.get("additionalProperties"), dict):
        return {**value, "additionalProperties": _merged(value["additionalProperties"], definitions, found)}
    return value


def _item(item: Json, definitions: Json, found: Json) -> Json:
    """An item of a list: merged where items have names, else replaced, and so complete."""
    name = _name(item)
    if "name" in definitions[name].get("properties", {}):
        return {"$ref": f"#/$defs/{_patched(name, definitions, found)}"}
    _whole(name, definitions, found)
    return {"$ref": f"#/$defs/{name}"}


def _whole(name: str, definitions: Json, found: Json) -> None:
    if name not in found:
        found[name] = definitions[name]
        for other in sorted(_references(definitions[name])):
            _whole(other, definitions, found)


def _references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_references, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    own = {_name(value)} if "$ref" in value else set()
    return own.union(*map(_references, value.values()))


def _name(reference: Json) -> str:
    return str(reference["$ref"]).removeprefix("#/$defs/")
