"""Scenes: the documents of one environment, written down as spec by key, and compiled by the real compiler."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from trueup.compile.compilation import Compilation, compile_catalog
from trueup.resolve.catalog import Catalog
from trueup_specs.core.envelope import Document, Metadata, Source, SpecModel
from trueup_specs.core.references import Key
from trueup_specs.kinds import KINDS
from trueup_stacks.core.targets import Facts, SourceFact
from trueup_stacks.kubernetes import tokens

FOLDER = Path(__file__).parent
TARGETS = ("local", "kubernetes", "aws")
SCENES = dict.fromkeys(("backups", "clusters", "mesh", "monitoring", "registry", "registry-plain"), "kubernetes")
"""Further scenes, each with its target."""


def scene(name: str) -> Catalog:
    """The catalog of a scene; each document has an owner and a label."""
    written = YAML(typ="safe").load((FOLDER / "scenes" / f"{name}.yaml").read_text(encoding="utf-8"))
    return with_earlier_runs(catalog({Key.parse(key): spec for key, spec in written.items()}))


def scenes(target: str) -> list[Catalog]:
    """Every scene of a target."""
    return [scene(name) for name in (target, *(name for name, of in SCENES.items() if of == target))]


def with_earlier_runs(given: Catalog) -> Catalog:
    """The scene some time after its runs were made: by now the code is another."""
    earlier = replace(given, facts=replace(given.facts, trees={**given.facts.trees, "steps": "tree0"}))
    runs = [r for r in compile_catalog(earlier).resources() if r.address.type == "trueup:run:Run"]
    return replace(given, facts=replace(given.facts, runs={r.origin: r.encoded for r in runs}))


def catalog(written: Mapping[Key, object]) -> Catalog:
    documents = {}
    for key, spec in written.items():
        metadata = Metadata(name=key.name, namespace=key.namespace or None, owner="ml", labels={"tier": "gold"})
        documents[key] = Document(key, metadata, KINDS[key.kind].spec.model_validate(spec), Source("scene.yaml"))
    environment = next(k for k in documents if k.kind == "Environment")
    facts = Facts(
        trees={"steps": "tree1", "steps/pylock.toml": "tree2"},
        sources={
            Key("DataSource", "churn", "files"): SourceFact("sha1", "home:data/customers.csv"),
            Key("DataSource", "churn", "warehouse"): SourceFact("cursor1", "", volatile=True),
        },
        accepted={
            ("dev", Key("Model", "churn", "churn")): 5,
            ("dev", Key("Model", "churn", "promoted")): 6,
            ("staging", Key("Model", "churn", "promoted")): 7,
        },
        served={("dev", Key("Model", "churn", "churn")): 1e5, ("staging", Key("Model", "churn", "promoted")): 1e5},
    )
    settings = documents[environment].spec
    return Catalog("shop", environment.name, settings, documents, facts)


def with_spec(given: Catalog, key: Key, spec: SpecModel) -> Catalog:
    """The same scene with another spec of one document."""
    documents = {**given.documents, key: replace(given.documents[key], spec=spec)}
    settings = spec if key == Key("Environment", "", given.environment) else given.settings
    return replace(given, documents=documents, settings=settings, _fingerprints={})


def compiled(name: str) -> Compilation:
    return compile_catalog(scene(name))


def assert_agreed(name: str, made: list[dict[str, Any]]) -> None:
    """What was made is what was agreed on (`golden`); `TRUEUP_UPDATE_GOLDEN=1` writes it anew."""
    path = FOLDER / "golden" / f"{name}.json"
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("TRUEUP_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(text)


def manifests(written: Mapping[str, object]) -> list[dict[str, Any]]:
    """What specs, by `Kind/name`, become on Kubernetes, as `trueup render` writes it; what is no Kubernetes object is left out."""
    compilation = compile_catalog(catalog({Key.parse(k): v for k, v in written.items()}))
    assert compilation.diagnostics == ()
    found = [r for r in compilation.resources() if r.address.type.startswith("kubernetes:")]
    return [
        {"apiVersion": tokens.api_version(r.address.type), "kind": tokens.kind(r.address.type), **r.properties}
        for r in found
    ]
