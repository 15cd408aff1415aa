"""Values between Pulumi's wire format and JSON, with secrets kept apart; and the object that the provider keeps as state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value
from pulumi.runtime.rpc import UNKNOWN

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
INPUTS, MANAGER, VERSION = "__inputs", "__fieldManager", "__initialApiVersion"


@dataclass(frozen=True)
class Hidden:
    """A secret: the engine encrypts it in the state and shows it nowhere."""

    value: Any


def properties(struct: Struct) -> dict[str, Any]:
    """A wire map as JSON; nulls are left out, secrets are Hidden."""
    found = {k: _plain(v) for k, v in struct.fields.items()}
    return {k: v for k, v in found.items() if v is not None}


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "list_value":
        return [_plain(v) for v in value.list_value.values]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if SIGNATURE in fields:
            return Hidden(_plain(fields["value"]))
        return properties(value.struct_value)
    return getattr(value, kind) if kind in ("string_value", "bool_value") else None


def struct(values: Mapping[str, Any]) -> Struct:
    """JSON as a wire map."""
    return Struct(fields={str(k): _wire(v) for k, v in values.items()})


def _wire(value: Any) -> Value:
    if isinstance(value, Hidden):
        return Value(struct_value=Struct(fields={SIGNATURE: Value(string_value=SECRET), "value": _wire(value.value)}))
    if value is None:
        return Value(null_value=NullValue.NULL_VALUE)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, (int, float)):
        return Value(number_value=float(value))
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=struct(value))
    return Value(list_value=ListValue(values=[_wire(v) for v in value]))


def clear(value: Any) -> Any:
    """The value with its secrets in clear: a copy."""
    if isinstance(value, Hidden):
        return clear(value.value)
    if isinstance(value, Mapping):
        return {k: clear(v) for k, v in value.items()}
    return [clear(v) for v in value] if isinstance(value, list) else value


def holds(value: Any, what: Any) -> bool:
    """Whether a value is, or holds, one of a type, or the sentinel of what is not known yet."""
    if (isinstance(what, type) and isinstance(value, what)) or value == what:
        return True
    if isinstance(value, Hidden):
        return holds(value.value, what)
    if isinstance(value, Mapping):
        return any(holds(v, what) for v in value.values())
    return isinstance(value, list) and any(holds(v, what) for v in value)


def unknown(value: Any) -> bool:
    """Whether something in it is known only after other resources are."""
    return holds(value, UNKNOWN)


def annotate(outs: dict[str, Any], ins: Mapping[str, Any]) -> dict[str, Any]:
    """Marks as secret in `outs` what is secret in `ins`; of a Secret its whole data."""
    if outs.get("kind") == "Secret":
        return {k: Hidden(v) if k in ("data", "stringData") else v for k, v in outs.items()}
    found = dict(outs)
    for name, value in ins.items():
        if name not in found:
            continue
        if isinstance(found[name], dict) and isinstance(value, Mapping):
            found[name] = annotate(found[name], value)
        elif holds(value, Hidden):
            found[name] = Hidden(found[name])
    return found


def checkpoint(inputs: dict[str, Any], live: dict[str, Any], given: Mapping[str, Any], manager: str) -> dict[str, Any]:
    """What is kept as state: the live object, with the inputs and the field manager beside it."""
    return {
        **annotate(live, given),
        INPUTS: annotate(inputs, given),
        VERSION: str(inputs.get("apiVersion", live.get("apiVersion", ""))),
        MANAGER: manager,
    }


def parse(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs and the live object of a state, secrets in clear."""
    found = clear(state)
    inputs = found.pop(INPUTS, {})
    return inputs, found
