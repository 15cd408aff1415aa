"""Compile: stacks by environment, namespace and layer, waves that respect them, circles named, digests of meaning only."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.compile import compilation as compiling
from trueup.compile.compilation import Compilation, compile_catalog
from trueup.resolve.catalog import resolve
from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.references import Key
from trueup_specs.kinds import KINDS
from trueup_stacks.core.resources import Address, Resource, Stack, StackId, outputs_of
from trueup_stacks.core.targets import Catalog, Compiled, KindSupport, Target


def documents(written: dict[str, Any], metadata: dict[str, dict[str, Any]] | None = None) -> dict[Key, Document]:
    found = {}
    for text, spec in written.items():
        key = Key.parse(text)
        meta = Metadata(name=key.name, namespace=key.namespace or None, **(metadata or {}).get(text, {}))
        found[key] = Document(key, meta, KINDS[key.kind].spec.model_validate(spec), Source("specs.yaml"))
    return found


SHOP: dict[str, Any] = {
    "Environment/dev": {},
    "DataSource/data/files": {"file": {"url": "a.csv", "format": "csv"}},
    "Dataset/data/rows": {"source": "files", "schema": {"properties": [{"name": "id", "logicalType": "integer"}]}},
    "Pipeline/churn/train": {"steps": [{"name": "load", "uses": "load", "with": {"dataset": "data/rows"}}]},
    "Model/churn/churn": {"pipeline": "train", "task": "regression"},
    "Endpoint/churn/api": {"model": {"name": "churn"}},
    "ObjectStore/churn/files": {},
}


def compiled(written: dict[str, Any], metadata: dict[str, dict[str, Any]] | None = None) -> Compilation:
    return compile_catalog(resolve("shop", documents(written, metadata), "dev"))


def test_a_stack_holds_one_namespace_and_layer_of_the_environment() -> None:
    made = compiled(SHOP)
    assert made.diagnostics == ()
    assert {str(id) for id in made.stacks} == {
        "dev.churn.foundation",
        "dev.churn.model",
        "dev.churn.serving",
        "dev.data.data",
    }
    for id, stack in made.stacks.items():
        assert {r.address.stack for r in stack.resources} == {id}


def test_a_wave_needs_earlier_waves_only_and_what_is_independent_goes_together() -> None:
    made = compiled(SHOP)
    assert [[str(id) for id in wave] for wave in made.waves] == [
        ["dev.churn.foundation", "dev.data.data"],
        ["dev.churn.model"],
        ["dev.churn.serving"],
    ]
    before: set[StackId] = set()
    for wave in made.waves:
        assert all(made.stacks[id].upstream() <= before for id in wave)
        before |= set(wave)


def test_within_a_stack_what_is_needed_comes_first() -> None:
    for stack in compiled(SHOP).stacks.values():
        seen: set[Address] = set()
        own = {r.address for r in stack.resources}
        for resource in stack.resources:
            needed = {*resource.depends_on, *(o.address for o in outputs_of(resource.properties))}
            assert needed & own <= seen
            seen.add(resource.address)


def _circular(document: Document, catalog: Catalog, compiled: Compiled) -> list[Resource]:
    """Each store needs the one of the other namespace."""
    here = document.key.namespace
    there = "b" if here == "a" else "a"
    needs = Address(StackId("dev", there, "foundation"), "trueup:data:Bucket", "store")
    address = Address(StackId("dev", here, "foundation"), "trueup:data:Bucket", "store")
    return [Resource(address, {"uri": "home:x"}, document.key, (needs,))]


def test_a_circle_of_stacks_is_an_error_that_names_both_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compiling.TARGETS, "local", Target("local", {"ObjectStore": KindSupport(_circular)}))
    made = compiled({"Environment/dev": {}, "ObjectStore/a/store": {}, "ObjectStore/b/store": {}})
    [found] = made.diagnostics
    assert found.code == "TRU2005" and made.waves == ()
    assert "ObjectStore/a/store (in dev.a.foundation) needs something of dev.b.foundation" in found.detail
    assert "ObjectStore/b/store (in dev.b.foundation) needs something of dev.a.foundation" in found.detail


@given(st.permutations(list(SHOP)))
def test_the_order_of_documents_changes_nothing(order: list[str]) -> None:
    made, again = compiled(SHOP), compiled({k: SHOP[k] for k in order})
    assert {id: s.digest for id, s in made.stacks.items()} == {id: s.digest for id, s in again.stacks.items()}
    assert list(made.resources()) == list(again.resources())


@given(st.data())
def test_the_order_of_keys_changes_nothing(data: st.DataObject) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: shuffled(value[k]) for k in data.draw(st.permutations(list(value)))}
        return [shuffled(v) for v in value] if isinstance(value, list) else value

    again = compiled({k: shuffled(v) for k, v in SHOP.items()})
    assert {id: s.digest for id, s in compiled(SHOP).stacks.items()} == {id: s.digest for id, s in again.stacks.items()}


def test_the_digest_of_a_stack_does_not_depend_on_the_order_of_its_resources() -> None:
    for stack in compiled(SHOP).stacks.values():
        assert Stack(stack.id, tuple(reversed(stack.resources))).digest == stack.digest


def fingerprints(made: Compilation) -> dict[Address, str]:
    return {r.address: r.fingerprint for r in made.resources()}


def test_an_owner_changes_digests_and_no_fingerprint() -> None:
    before, after = (
        compiled(SHOP),
        compiled(SHOP, {k: {"owner": "ml"} for k in ("Model/churn/churn", "Dataset/data/rows")}),
    )
    assert fingerprints(before) == fingerprints(after)
    changed = {str(id) for id in before.stacks if before.stacks[id].digest != after.stacks[id].digest}
    assert changed == {"dev.churn.model", "dev.data.data"}


def test_a_parameter_of_training_changes_what_is_downstream_and_nothing_else() -> None:
    seeded = {**SHOP, "Pipeline/churn/train": {**SHOP["Pipeline/churn/train"], "seed": 7}}
    before, after = fingerprints(compiled(SHOP)), fingerprints(compiled(seeded))
    assert {a.type for a in before if before[a] != after[a]} == {
        "trueup:run:Run",
        "trueup:run:Gate",
        "trueup:registry:Alias",
        "trueup:serve:Service",
    }


def test_the_work_grows_with_the_documents_and_not_with_their_square() -> None:
    def calls(number: int) -> int:
        """Python calls that a compilation makes: the same on every machine, however busy."""
        written: dict[str, Any] = {"Environment/dev": {}, **{f"ObjectStore/team/s{n}": {} for n in range(number)}}
        catalog = resolve("shop", documents(written), "dev")
        found = 0

        def count(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal found
            found += event == "call"

        sys.setprofile(count)
        try:
            made = compile_catalog(catalog)
        finally:
            sys.setprofile(None)
        assert sum(1 for _ in made.resources()) == number
        return found

    assert calls(800) < 10 * calls(100)
