"""Custom resources against the OpenAPI schemas of their CRDs, as strictly as an API server with `fieldValidation: Strict`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from trueup_stacks.core.resources import Resource, encode

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "crds"
_HEADER = {"apiVersion", "kind", "metadata"}


class Crds:
    """The CRDs by group, version and kind."""

    def mistakes(self, resource: Resource) -> list[str]:
        """Each property that the schema does not have or does not allow, with its dotted path."""
        _, version, kind = resource.address.type.split(":")
        validator = _validator(version, kind)
        properties = {k: encode(v) for k, v in resource.properties.items() if k not in _HEADER}
        return sorted(f"{'.'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(properties))


@cache
def _validator(version: str, kind: str) -> jsonschema.Draft202012Validator:
    group, _, number = version.rpartition("/")
    for definition in _definitions(kind):
        if (definition["spec"]["group"], definition["spec"]["names"]["kind"]) == (group, kind):
            served = {v["name"]: v["schema"]["openAPIV3Schema"] for v in definition["spec"]["versions"] if v["served"]}
            schema = _closed(served[number])
            schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in _HEADER}
            schema.pop("required", None)
            return jsonschema.Draft202012Validator(schema)
    raise LookupError(f"no CRD has {version} {kind}")


class _Loader(yaml.CSafeLoader):
    """YAML 1.1, in which a lone `=` stands for itself."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def _definitions(kind: str) -> list[Any]:
    """The CRDs of a kind; only files that name it are parsed, since some are large."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(FOLDER.rglob("*.yaml"))]
    named = [t for t in texts if f"\n    kind: {kind}\n" in t]
    found = [d for t in named for d in yaml.load_all(t, _Loader)]
    return [d for d in found if isinstance(d, dict) and d.get("kind") == "CustomResourceDefinition"]


def _closed(schema: Any) -> Any:
    """The schema as JSON Schema in which no field may stand that it does not name."""
    if isinstance(schema, list):
        return [_closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    found = {k: _closed(v) for k, v in schema.items() if k not in ("description", "format", "default")}
    free = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict):
        found["properties"] = {k: _closed(v) for k, v in schema["properties"].items()}
        if not free and "additionalProperties" not in schema:
            found["additionalProperties"] = False
    return found
