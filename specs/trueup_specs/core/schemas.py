"""JSON Schemas of the language, made from the models: one for each kind and a bundle. Called by `trueup schema` and `make schemas`.

`python -m trueup_specs.core.schemas [--check] [FOLDER]` writes them, or names those that are stale. Judges nothing itself: an
editor or `kubeconform` does, and what only all documents together show (rules, references) is left to `trueup validate`.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from trueup_specs.core.envelope import Metadata, SpecModel
from trueup_specs.core.overlaying import OVERLAYABLE, patching
from trueup_specs.kinds import KINDS

API_VERSION = "trueup.dev/v1alpha1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BUNDLE = "trueup.schema.json"
Json = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Pydantic's schemas without the titles that it makes of field names: editors would show `Minreplicas`."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema(kind: str) -> Json:
    """The schema of a document of one kind, complete in itself. Raises KeyError for a kind that there is not."""
    definitions: Json = {}
    return {"$schema": DIALECT, **_document(kind, definitions, ""), "$defs": definitions}


def bundle() -> Json:
    """One schema of any document, which goes on by its `kind`."""
    definitions: Json = {}
    for kind in KINDS:
        # Names of definitions begin with their kind: two kinds may each have a `Match`.
        definitions[kind] = _document(kind, definitions, f"{kind}.")
    return {
        "$schema": DIALECT,
        "title": "Trueup",
        "description": "A document of a Trueup workspace.",
        "type": "object",
        "properties": {"apiVersion": _version(), "kind": {"enum": list(KINDS), "description": "What the document is."}},
        "required": ["apiVersion", "kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{kind}"},
            }
            for kind in KINDS
        ],
        "$defs": definitions,
    }


def files() -> dict[str, str]:
    """The text of every schema file, by its name; kinds in lower case, as `kubeconform` asks for them."""
    texts = {f"{kind.lower()}.schema.json": _text(schema(kind)) for kind in KINDS}
    return {**texts, BUNDLE: _text(bundle())}


def write(folder: Path) -> int:
    """Writes every schema file into `folder`, and gives their number."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = files()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in _surplus(folder, texts):
        (folder / name).unlink()
    return len(texts)


def stale(folder: Path) -> list[str]:
    """The names of files in `folder` that are missing, differ, or belong to no kind."""
    texts = files()
    different = [
        n for n, t in texts.items() if not (folder / n).is_file() or (folder / n).read_text(encoding="utf-8") != t
    ]
    return sorted([*different, *_surplus(folder, texts)])


def _surplus(folder: Path, texts: dict[str, str]) -> list[str]:
    return [p.name for p in folder.glob("*.schema.json") if p.name not in texts]


def _text(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _version() -> Json:
    return {"const": API_VERSION, "description": "The version of the language."}


def _document(name: str, definitions: Json, prefix: str) -> Json:
    """A document of a kind; what it refers to is put into `definitions`, under names that begin with `prefix`."""
    kind = KINDS[name]
    spec = _placed(kind.spec, definitions, prefix)
    metadata = _placed(Metadata, definitions, prefix)
    if not kind.namespaced:
        nothing = {"type": "null", "description": f"{name} has no namespace: it holds for the whole workspace."}
        definition = definitions[f"{prefix}Metadata"]
        definition["properties"] = {**definition["properties"], "namespace": nothing}
    required = ["apiVersion", "kind", "metadata"]
    if definitions[f"{prefix}{kind.spec.__name__}"].get("required"):
        required.append("spec")
    else:
        spec = {"anyOf": [spec, {"type": "null"}]}
    document: Json = {
        "title": name,
        "description": definitions[f"{prefix}{kind.spec.__name__}"]["description"],
        "type": "object",
        "properties": {
            "apiVersion": _version(),
            "kind": {"const": name, "description": "What the document is."},
            "metadata": metadata,
            "spec": spec,
        },
        "required": required,
        "additionalProperties": False,
    }
    if name == "Overlay":
        document["allOf"] = _patches(definitions, prefix)
        definitions[f"{prefix}OverlayTarget"]["properties"]["kind"]["enum"] = list(OVERLAYABLE)
    return document


def _placed(model: type[SpecModel], definitions: Json, prefix: str) -> Json:
    """Puts a model's schema and all that it refers to into `definitions`; gives the reference to it."""
    for name, definition in definitions_of(model).items():
        definitions[f"{prefix}{name}"] = _renamed(definition, prefix)
    return {"$ref": f"#/$defs/{prefix}{model.__name__}"}


def _patches(definitions: Json, prefix: str) -> list[Json]:
    """For each kind that has overlays: what `patch` may say."""
    found = []
    for name in OVERLAYABLE:
        model = KINDS[name].spec
        patched = patching(definitions_of(model), model.__name__)
        for key, definition in patched.items():
            definitions[f"{prefix}{name}.{key}"] = _renamed(definition, f"{prefix}{name}.")
        patch = {"$ref": f"#/$defs/{prefix}{name}.{model.__name__}.patch"}
        target = {"properties": {"kind": {"const": name}}, "required": ["kind"]}
        found.append(
            {
                "if": {
                    "properties": {"spec": {"properties": {"target": target}, "required": ["target"]}},
                    "required": ["spec"],
                },
                "then": {"properties": {"spec": {"properties": {"patch": patch}}}},
            }
        )
    return found


@functools.cache
def definitions_of(model: type[SpecModel]) -> Json:
    """A model's schema among those of the models that it holds, by class name. Also what the documentation is made from."""
    whole = _tidy(model.model_json_schema(by_alias=True, schema_generator=_Generator))
    inner: Json = whole.pop("$defs", {})
    return {model.__name__: whole, **dict(sorted(inner.items()))}


def _tidy(value: Any) -> Any:
    """Without class names as titles and without `default: null`, which says nothing that an absent field does not."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    properties = {k: _tidy(v) for k, v in value.get("properties", {}).items()}
    kept = {k: _tidy(v) for k, v in value.items() if not (k == "title" and isinstance(v, str)) and k != "properties"}
    if kept.get("default", ...) is None:
        del kept["default"]
    return {**kept, "properties": properties} if properties else kept


def _renamed(value: Any, prefix: str) -> Any:
    """A copy whose references lead to definitions that begin with `prefix`."""
    if isinstance(value, list):
        return [_renamed(item, prefix) for item in value]
    if not isinstance(value, dict):
        return value
    start = "#/$defs/"
    return {
        k: f"{start}{prefix}{v.removeprefix(start)}"
        if k == "$ref" and isinstance(v, str) and v.startswith(start)
        else _renamed(v, prefix)
        for k, v in value.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Writes the schemas, or with `--check` says which are stale; the exit code."""
    folder = Path(next((a for a in arguments if not a.startswith("-")), "schemas"))
    if "--check" not in arguments:
        sys.stdout.write(f"Wrote {write(folder)} schemas to {folder}.\n")
        return 0
    found = stale(folder)
    for name in found:
        sys.stderr.write(f"{folder / name} is stale: run `make schemas` and commit what it writes.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
