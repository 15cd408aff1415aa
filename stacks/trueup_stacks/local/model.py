"""Models on the target `local`: registry entry, training run, gate and aliases."""

from __future__ import annotations

from collections.abc import Iterable

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.fingerprints import fingerprint
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.quality_gate.spec import QualityGateSpec
from trueup_stacks.core.resources import Output, Resource, Value, encode
from trueup_stacks.core.targets import Catalog, Compiled, address_of
from trueup_stacks.local import naming, tokens
from trueup_stacks.local.data import dumped, version_of
from trueup_stacks.local.training import run_properties

_CONTROL = frozenset({"applyWaitSeconds", "concurrency", "concurrencyPolicy", "commit"})


def trained_here(model: Document, environment: str) -> bool:
    """Whether the environment trains the model rather than taking a promoted version."""
    spec = model.spec
    assert isinstance(spec, ModelSpec)
    if spec.version is not None or spec.pipeline is None:
        return False
    where = spec.train.in_ or (spec.promotion.path[0] if spec.promotion.path else environment)
    return where in (environment, "each")


def emit_model(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """What a model becomes in this environment."""
    if not trained_here(document, catalog.environment):
        yield from _aliases(document, catalog, promoted_version(document, catalog), ())
        return
    registered = _registered_model(document, catalog)
    run = _run(document, catalog, compiled, registered)
    gate = _gate(document, catalog, compiled, run)
    yield registered
    yield run
    yield gate
    yield from _aliases(document, catalog, gate.output("acceptedVersion"), (registered,))


def promoted_version(model: Document, catalog: Catalog) -> int | None:
    """The version that an environment without training uses: the pinned one, else what the environment before accepted."""
    spec = model.spec
    assert isinstance(spec, ModelSpec)
    if spec.version is not None:
        return spec.version
    path = spec.promotion.path
    if spec.promotion.mode == "auto" and catalog.environment in path[1:]:
        before = path[path.index(catalog.environment) - 1]
        if still_soaks(model, catalog, before) <= 0:
            return catalog.facts.accepted.get((before, model.key))
    return catalog.facts.accepted.get((catalog.environment, model.key))


def still_soaks(model: Document, catalog: Catalog, before: str) -> float:
    """Seconds until the version that the environment `before` uses has served there as long as the model asks."""
    spec = model.spec
    assert isinstance(spec, ModelSpec)
    if spec.promotion.soak is None:
        return 0.0
    return seconds(spec.promotion.soak) - catalog.facts.served.get((before, model.key), 0.0)


def version_in_use(model: Document, catalog: Catalog, compiled: Compiled) -> Output | int | None:
    """The version that endpoints of this environment serve; None while none was promoted."""
    gates = [r for r in compiled.resources_of(model.key) if r.address.type == tokens.GATE]
    return gates[0].output("acceptedVersion") if gates else promoted_version(model, catalog)


def _registered_model(document: Document, catalog: Catalog) -> Resource:
    spec = document.spec
    assert isinstance(spec, ModelSpec)
    tags = {"intendedUse": spec.intended_use, "riskClass": spec.risk_class or "", **document.metadata.labels}
    return Resource(
        address_of(document, catalog, "model", tokens.REGISTERED_MODEL),
        {
            "trackingUri": naming.tracking_uri(catalog),
            "name": naming.registered_name(document, catalog),
            "task": spec.task,
            "tags": {k: v for k, v in tags.items() if v},
            "owner": document.metadata.owner or "",
            "description": spec.description,
        },
        document.key,
        options=naming.options(document, catalog, "model", tokens.REGISTERED_MODEL, holds_data=True),
    )


def _run(document: Document, catalog: Catalog, compiled: Compiled, registered: Resource) -> Resource:
    spec = document.spec
    assert isinstance(spec, ModelSpec) and spec.pipeline is not None
    pipeline = catalog.bound(document, "Pipeline", spec.pipeline)
    properties, read = run_properties(document, pipeline, catalog, compiled)
    services = [catalog.bound(document, "FeatureService", spec.features)] if spec.features else []
    needs = (registered.address, *(compiled.find(s.key, tokens.FEATURE_SERVICE).address for s in services))
    return Resource(
        address_of(document, catalog, "model", tokens.RUN),
        properties,
        document.key,
        (*needs, *read),
        naming.options(document, catalog, "model", tokens.RUN, volatile=_CONTROL),
    )


def _gate(document: Document, catalog: Catalog, compiled: Compiled, run: Resource) -> Resource:
    spec = document.spec
    assert isinstance(spec, ModelSpec)
    gates = [_gate_property(g, catalog, compiled) for g in gates_of(document, catalog)]
    candidate_fingerprint = run.properties["fingerprint"]
    meaning = [{k: v for k, v in g.items() if k != "dataset"} | {"dataset": encode(g["dataset"])} for g in gates]
    return Resource(
        address_of(document, catalog, "model", tokens.GATE),
        {
            "fingerprint": fingerprint({"gates": meaning, "candidate": candidate_fingerprint}),
            "model": naming.registered_name(document, catalog),
            "trackingUri": naming.tracking_uri(catalog),
            "task": spec.task,
            "label": spec.label,
            "positiveClass": spec.positive_class,
            "candidate": {
                "version": _symbol(run, "modelVersion"),
                "fingerprint": candidate_fingerprint,
                "metrics": _symbol(run, "metrics"),
                "holdout": _symbol(run, "holdout"),
            },
            "gates": gates,
            "applyWaitSeconds": seconds(catalog.settings.runner.apply_wait),
        },
        document.key,
        options=naming.options(document, catalog, "model", tokens.GATE, volatile=_CONTROL),
    )


def _symbol(run: Resource, name: str) -> Output:
    """An output of a run, which changes with the run's fingerprint and with nothing else of it."""
    return Output(run.address, name, run.properties["fingerprint"])


def gates_of(model: Document, catalog: Catalog) -> list[Document]:
    """The gates that decide about a model: those that name it."""
    found = []
    for gate in catalog.of_kind("QualityGate"):
        assert isinstance(gate.spec, QualityGateSpec)
        if catalog.bound(gate, "Model", gate.spec.model).key == model.key:
            found.append(gate)
    return found


def _gate_property(gate: Document, catalog: Catalog, compiled: Compiled) -> dict[str, Value]:
    spec = gate.spec
    assert isinstance(spec, QualityGateSpec)
    dataset: dict[str, Value] | None = None
    if spec.dataset:
        table = compiled.find(catalog.bound(gate, "Dataset", spec.dataset).key, tokens.TABLE)
        dataset = {"uri": table.properties["uri"], "version": version_of(table)}
    return {
        "name": gate.key.name,
        "compareTo": _compared_with(gate, spec.compare_to, catalog),
        "onInconclusive": spec.on_inconclusive,
        "resamples": spec.resamples,
        "dataset": dataset,
        "checks": dumped(spec.checks),
    }


def _compared_with(gate: Document, name: str, catalog: Catalog) -> str:
    if name in ("champion", "none"):
        return name
    return naming.registered_name(catalog.bound(gate, "Model", name), catalog)


def _aliases(
    document: Document, catalog: Catalog, version: Output | int | None, after: tuple[Resource, ...]
) -> Iterable[Resource]:
    spec = document.spec
    assert isinstance(spec, ModelSpec)
    for alias in spec.aliases:
        wanted = alias.version if alias.version is not None else version
        if wanted is None:
            continue
        suffix = f"-{alias.name}"
        yield Resource(
            address_of(document, catalog, "model", tokens.ALIAS, suffix),
            {
                "trackingUri": naming.tracking_uri(catalog),
                "model": naming.registered_name(document, catalog),
                "alias": f"{catalog.environment}-{alias.name}",
                "version": wanted,
            },
            document.key,
            tuple(r.address for r in after),
            naming.options(document, catalog, "model", tokens.ALIAS, suffix=suffix),
        )
