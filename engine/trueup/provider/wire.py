"""Values between Pulumi's wire format and plain JSON, and the masking of secrets. Used by `server` alone.

On the wire, numbers are doubles, a secret is a struct with a signature, and an unknown is a plain sentinel string. Components see
ints where a number is whole, secrets in clear and `UNKNOWN`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

from trueup.provider.component import MASK, UNKNOWN, Properties

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


def plain(value: Value) -> Any:
    """A wire value as JSON, secrets in clear."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "list_value":
        return [plain(v) for v in value.list_value.values]
    if kind == "struct_value":
        inner = secret_of(value)
        return plain(inner) if inner is not None else properties(value.struct_value)
    return getattr(value, kind) if kind in ("string_value", "bool_value") else None


def properties(struct: Struct) -> Properties:
    """A wire map as JSON."""
    return {k: plain(v) for k, v in struct.fields.items()}


def masked(value: Any) -> Any:
    """A wire value, or a map of them, as JSON with every secret masked."""
    if isinstance(value, Struct):
        return {k: masked(v) for k, v in value.fields.items()}
    if value.HasField("list_value"):
        return [masked(v) for v in value.list_value.values]
    if value.HasField("struct_value"):
        return MASK if secret_of(value) is not None else masked(value.struct_value)
    return plain(value)


def secret_of(value: Value) -> Value | None:
    """What a secret holds; None for a value that is none."""
    fields = value.struct_value.fields
    if SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET:
        held: Value = fields["value"]
        return held
    return None


def wire(value: Any) -> Value:
    """JSON as a wire value. Raises TypeError for what is not JSON."""
    if value is None:
        return Value(null_value=NullValue.NULL_VALUE)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, (int, float)):
        return Value(number_value=float(value))
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=Struct(fields={str(k): wire(v) for k, v in value.items()}))
    if isinstance(value, (list, tuple)):
        return Value(list_value=ListValue(values=[wire(v) for v in value]))
    raise TypeError(f"A resource property of type {type(value).__name__} cannot be written as JSON.")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secret texts of one operation: what must be masked in messages and marked in outputs."""

    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, *structs: Struct) -> Secrets:
        """Every secret that stands in the inputs and outputs of an operation, longest first."""
        found: set[str] = set()
        for struct in structs:
            for value in struct.fields.values():
                found.update(secret_texts(value, inside=False))
        return cls(tuple(sorted(found - {"", UNKNOWN}, key=lambda t: (-len(t), t))))

    def scrub(self, text: str) -> str:
        """The text with every secret masked, also where it is quoted for a URL or for JSON."""
        for secret in self.texts:
            for form in {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}:
                text = text.replace(form, MASK)
        return text

    def hidden_in(self, value: Any) -> bool:
        """Whether a value holds a secret text of a length that is no coincidence."""
        if isinstance(value, str):
            return any(t in value for t in self.texts if len(t) >= 4) or value in self.texts
        if isinstance(value, Mapping):
            return any(self.hidden_in(v) for v in value.values())
        return isinstance(value, (list, tuple)) and any(self.hidden_in(v) for v in value)

    def marked(self, values: Properties, secret: Iterable[str] = ()) -> Struct:
        """A wire map in which the named properties, and those that hold a secret, are marked as secrets."""
        names = set(secret)
        return Struct(fields={k: mark(v, self, k in names) for k, v in values.items()})


def mark(value: Any, secrets: Secrets, whole: bool = False) -> Value:
    """A wire value; secret texts in it are marked where they stand, so that the rest stays readable."""
    if whole or (isinstance(value, str) and secrets.hidden_in(value)):
        return Value(struct_value=Struct(fields={SIGNATURE: Value(string_value=SECRET), "value": wire(value)}))
    if isinstance(value, Mapping):
        return Value(struct_value=Struct(fields={str(k): mark(v, secrets) for k, v in value.items()}))
    if isinstance(value, (list, tuple)):
        return Value(list_value=ListValue(values=[mark(v, secrets) for v in value]))
    return wire(value)


def secret_texts(value: Value, inside: bool) -> Iterable[str]:
    """The texts of the secrets in a wire value; of a secret URL also its password, which drivers like to print alone."""
    inner = secret_of(value)
    if inner is not None:
        yield from secret_texts(inner, inside=True)
    elif value.HasField("struct_value"):
        for item in value.struct_value.fields.values():
            yield from secret_texts(item, inside)
    elif value.HasField("list_value"):
        for item in value.list_value.values:
            yield from secret_texts(item, inside)
    elif inside and value.HasField("string_value"):
        yield value.string_value
        yield from passwords(value.string_value)
    elif inside and value.HasField("number_value"):
        yield str(plain(value))


def passwords(text: str) -> Iterable[str]:
    """The password in a URL, as written and decoded."""
    try:
        password = urlsplit(text).password
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}
