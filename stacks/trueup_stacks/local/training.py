"""A training run as data: what it reads, and the fingerprint that decides whether it is made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.fingerprints import Json, fingerprint
from trueup_specs.core.references import Key
from trueup_specs.kinds.dataset.spec import DatasetSpec
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step
from trueup_stacks.core.resources import Address, Resource, Value, decode, encode
from trueup_stacks.core.targets import Catalog, Compiled, Refusal, env_value
from trueup_stacks.local import naming, tokens
from trueup_stacks.local.data import columns, dumped, features_property, version_of


def refuse_pipeline(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """A runner that is none of this machine's."""
    runner, environment = catalog.settings.runner.type, catalog.environment
    if runner != "local":
        yield Refusal(
            "Environment.spec.runner.type",
            f"the runner of environment {environment!r} is `{runner}`, and pipelines of the target `local` run on this machine",
            f"Write `runner: {{type: local}}` in Environment/{environment}; `jobs` and `argo` are runners of the target `kubernetes`.",
        )


def run_properties(
    model: Document, pipeline: Document, catalog: Catalog, compiled: Compiled
) -> tuple[dict[str, Value], tuple[Address, ...]]:
    """The inputs of the model's `trueup:run:Run`, and the tables it reads."""
    spec, steps = _specs(model, pipeline)
    tables = datasets_read(pipeline, catalog, compiled)
    datasets = {text: _dataset_property(document, table) for text, (document, table) in tables.items()}
    properties: dict[str, Value] = {
        "pipeline": f"{pipeline.key.namespace}/{pipeline.key.name}",
        "project": catalog.project,
        "environment": catalog.environment,
        "code": _code(steps, catalog),
        "lock": _lock(steps, catalog),
        "seed": steps.seed,
        "params": parameters(spec, steps),
        "steps": [_step(s) for s in steps.steps],
        "features": _features(model, pipeline, catalog, compiled),
        "model": _model(model, catalog),
        "trackingUri": naming.tracking_uri(catalog),
        "allowedEstimators": list(catalog.settings.allowed_estimators),
        "concurrency": catalog.settings.runner.concurrency,
        "concurrencyPolicy": steps.concurrency_policy,
        "applyWaitSeconds": seconds(catalog.settings.runner.apply_wait),
        "owner": model.metadata.owner or "",
    }
    data = {text: _data_meaning(steps, document, table, catalog) for text, (document, table) in tables.items()}
    recorded = catalog.facts.runs.get(model.key)
    if (held := _held_back(steps, properties, datasets, data, recorded)) is not None:
        mark, properties, datasets = held
    else:
        mark, datasets = _kept_or_new(properties, datasets, data, recorded)
    return (
        {"fingerprint": mark, **properties, "datasets": datasets},
        tuple(sorted({table.address for _, table in tables.values()})),
    )


def _specs(model: Document, pipeline: Document) -> tuple[ModelSpec, PipelineSpec]:
    assert isinstance(model.spec, ModelSpec) and isinstance(pipeline.spec, PipelineSpec)
    return model.spec, pipeline.spec


def datasets_read(pipeline: Document, catalog: Catalog, compiled: Compiled) -> dict[str, tuple[Document, Resource]]:
    """The datasets that the pipeline's built-in steps name, with their tables, by the reference as it is written."""
    found: dict[str, tuple[Document, Resource]] = {}
    assert isinstance(pipeline.spec, PipelineSpec)
    for step in pipeline.spec.steps:
        text = step.with_.get("dataset")
        if step.uses in ("load", "check") and isinstance(text, str) and text not in found:
            document = catalog.bound(pipeline, "Dataset", text)
            found[text] = (document, compiled.find(document.key, tokens.TABLE))
    return found


def _dataset_property(document: Document, table: Resource) -> dict[str, Value]:
    spec = document.spec
    assert isinstance(spec, DatasetSpec)
    return {
        "uri": table.properties["uri"],
        "version": version_of(table),
        "properties": columns(spec),
        "strict": spec.schema_.strict,
        "quality": dumped(spec.quality),
        "timestamp": spec.timestamp,
    }


def _data_meaning(steps: PipelineSpec, document: Document, table: Resource, catalog: Catalog) -> Json:
    """What of a dataset makes a run a different one: its content, as far as the pipeline wants to follow it."""
    if steps.on_upstream_change == "hold":
        return None
    volatile = "sourceFingerprint" in table.options.volatile
    if volatile and not _triggered_by(steps, document.key, catalog):
        return {"pinned": table.properties["pinnedVersion"]}
    return {"pinned": table.properties["pinnedVersion"], "source": table.properties["sourceFingerprint"]}


def _triggered_by(steps: PipelineSpec, key: Key, catalog: Catalog) -> bool:
    for trigger in steps.triggers:
        for text in trigger.on_data or ():
            if text in (key.name, f"{key.namespace}/{key.name}"):
                return True
    return False


def _kept_or_new(
    properties: Mapping[str, Value],
    datasets: dict[str, Value],
    data: Mapping[str, Json],
    recorded: Mapping[str, Any] | None,
) -> tuple[str, dict[str, Value]]:
    """The run's fingerprint and datasets: the recorded ones where they mean the same, or only columns came to them."""
    before = recorded.get("datasets", {}) if recorded else {}
    if recorded and set(before) == set(datasets) and all(_contains(datasets[t], before[t]) for t in datasets):
        kept = {t: decode(before[t]) for t in datasets}
        mark = run_fingerprint(properties, kept, data)
        if mark == recorded.get("fingerprint"):
            return mark, {t: {**kept[t], "version": datasets[t]["version"]} for t in datasets}
    return run_fingerprint(properties, datasets, data), datasets


def _held_back(
    steps: PipelineSpec,
    properties: dict[str, Value],
    datasets: Mapping[str, Value],
    data: Mapping[str, Json],
    recorded: Mapping[str, Any] | None,
) -> tuple[str, dict[str, Value], dict[str, Value]] | None:
    """The recorded run, where nothing changed but what the pipeline says is to start none by itself: code under `onCode: false`,
    what upstream documents mean under `forwardOnly` and `hold`. What comes with the next run is then all that is new."""
    before = recorded.get("datasets", {}) if recorded else {}
    if recorded is None or set(before) != set(datasets):
        return None
    given, kept = dict(properties), dict(datasets)
    if any(t.on_code is False for t in steps.triggers):
        given["code"] = recorded.get("code")
    if steps.on_upstream_change != "retrain" and all(_has_columns(datasets[t], before[t]) for t in datasets):
        given["features"] = decode(recorded.get("features"))
        kept = {t: {**decode(before[t]), "version": datasets[t]["version"]} for t in datasets}
    mark = run_fingerprint(given, kept, data)
    return (mark, given, kept) if mark == recorded.get("fingerprint") else None


def _has_columns(dataset: Mapping[str, Value], recorded: Mapping[str, Any]) -> bool:
    """Whether no column that the recorded run read is gone: whatever the pipeline says, that is an error at plan."""
    return {c["name"] for c in recorded["properties"]} <= {c["name"] for c in dataset["properties"]}


def _contains(dataset: Mapping[str, Value], recorded: Mapping[str, Any]) -> bool:
    """Whether a dataset still has every column that the recorded run read, with the same type."""
    now = {c["name"]: c["logicalType"] for c in dataset["properties"]}
    return all(now.get(c["name"]) == c["logicalType"] for c in recorded["properties"])


_NOT_MEANT = frozenset(
    {
        "pipeline",
        "environment",
        "project",
        "trackingUri",
        "allowedEstimators",
        "concurrency",
        "concurrencyPolicy",
        "applyWaitSeconds",
        "owner",
        "model",
        "steps",
        "features",
    }
)


def run_fingerprint(properties: Mapping[str, Value], datasets: Mapping[str, Value], data: Mapping[str, Json]) -> str:
    """The digest of all that a run's result depends on, the same in every environment and on every machine.

    What a pipeline or a dataset is called is not part of it, so that a renamed one starts no run: datasets count by their place.
    """
    places = {text: place for place, text in enumerate(datasets)}
    meaning: dict[str, Json] = {k: encode(v) for k, v in properties.items() if k not in _NOT_MEANT}
    model = properties["model"]
    meaning["model"] = {k: v for k, v in model.items() if k != "tags"}
    meaning["steps"] = [_step_meaning(step, places) for step in properties["steps"]]
    meaning["features"] = _features_meaning(properties["features"], places)
    meaning["columns"] = [
        [[c["name"], c["logicalType"]] for c in dataset["properties"]] for dataset in datasets.values()
    ]
    meaning["data"] = [data[text] for text in datasets]
    return fingerprint(meaning)


def _step_meaning(step: Mapping[str, Value], places: Mapping[str, int]) -> Json:
    meant: dict[str, Json] = {k: encode(v) for k, v in step.items() if k not in ("timeout", "retry", "cache")}
    given = step.get("with")
    if isinstance(given, Mapping) and given.get("dataset") in places:
        meant["with"] = {k: encode(v) for k, v in given.items()} | {"dataset": places[given["dataset"]]}
    return meant


def _features_meaning(features: Mapping[str, Value] | None, places: Mapping[str, int]) -> Json:
    if features is None:
        return None
    return {k: encode(v) for k, v in features.items()} | {"entityDataset": places.get(features["entityDataset"])}


def parameters(model: ModelSpec, pipeline: PipelineSpec) -> dict[str, Any]:
    """The values of the pipeline's parameters for one model."""
    return {name: model.params.get(name, p.default) for name, p in pipeline.params.items()}


def _step(step: Step) -> dict[str, Value]:
    properties: dict[str, Value] = step.model_dump(by_alias=True, exclude_unset=True, mode="json")
    if step.env:
        properties["env"] = {k: env_value(v) for k, v in step.env.items()}
    return properties


def _code(spec: PipelineSpec, catalog: Catalog) -> dict[str, Any] | None:
    if spec.code is None:
        return None
    tree = catalog.facts.trees.get(spec.code, "missing")
    return {"uri": f"home:trees/{tree}", "tree": tree}


def _lock(spec: PipelineSpec, catalog: Catalog) -> dict[str, Any] | None:
    if spec.lockfile is None:
        return None
    digest = catalog.facts.trees.get(spec.lockfile, "missing")
    return {"uri": f"home:trees/{digest}/{spec.lockfile.rpartition('/')[2]}", "digest": digest}


def _features(model: Document, pipeline: Document, catalog: Catalog, compiled: Compiled) -> dict[str, Value] | None:
    assert isinstance(model.spec, ModelSpec)
    if model.spec.features is None:
        return None
    service = catalog.bound(model, "FeatureService", model.spec.features)
    entity_dataset = next(iter(datasets_read(pipeline, catalog, compiled)), None)
    meaning = compiled.find(service.key, tokens.FEATURE_SERVICE).fingerprint
    return {**features_property(service, catalog), "entityDataset": entity_dataset, "definition": meaning}


def _model(document: Document, catalog: Catalog) -> dict[str, Any]:
    spec = document.spec
    assert isinstance(spec, ModelSpec)
    return {
        "name": naming.registered_name(document, catalog),
        "task": spec.task,
        "label": spec.label,
        "positiveClass": spec.positive_class,
        "flavor": spec.flavor,
        "signature": spec.signature.model_dump(by_alias=True, mode="json") if spec.signature else None,
        "tags": dict(document.metadata.labels),
    }
