"""A plan that looks only where something can have changed is the plan of a whole look, byte by byte, whatever was edited before."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from trueup.compile.compilation import COMPILER_VERSION
from trueup.load import trees
from trueup.load.trees import Tree, WorkingTree
from trueup.observe.inventories import Inventory
from trueup.plan import saved
from trueup.record.events import Event, EventKind
from trueup.record.outcomes import described
from trueup.record.updates import InventoryUpdate, StackUpdate
from trueup.validate import memory as memories
from trueup.workspace import quiet
from trueup.workspace.narrowing import prepare_narrowly
from trueup.workspace.opening import Workspace, open_workspace
from trueup.workspace.planning import InvalidSpecs, Prepared, prepare

AREAS = ("ash", "birch", "cedar", "fir", "oak", "pine", "yew")
HEAD = "apiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: {ns}\n  owner: {owner}\nspec:\n"
SPECS = {
    "DataSource": "  file: {url: data/NS.csv, format: csv}\n",
    "Dataset": (
        "  source: raw\n  schema:\n    properties:\n      - {name: bad, logicalType: string, required: true}\n"
        "      - {name: age, logicalType: integer}\n"
    ),
    "Pipeline": (
        "  seed: 1\n  steps:\n    - {name: load, uses: load, with: {dataset: orders}}\n"
        "    - {name: split, uses: split, with: {testSize: 0.25}, inputs: {data: load.data}}\n"
        "    - {name: train, uses: train, with: {estimator: sklearn.linear_model.LogisticRegression}, "
        "inputs: {train: split.train}}\n"
        "    - {name: evaluate, uses: evaluate, inputs: {model: train.model, test: split.test}}\n"
        "    - {name: register, uses: register, needs: [evaluate], inputs: {model: train.model}}\n"
    ),
    "Model": "  pipeline: training\n  task: classification\n  label: bad\n  positiveClass: bad\n  train: {in: dev}\n",
    "Endpoint": "  model: {name: risk}\n  predictor: {minReplicas: 1}\n  route: {path: /NS}\n",
}
NAMES = {"DataSource": "raw", "Dataset": "orders", "Pipeline": "training", "Model": "risk", "Endpoint": "risk"}
GATEWAY = "  listeners: [{port: 8080}]\n"
POLICY = (
    "apiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: {name: labelled}\nspec:\n  level: advisory\n  on: specs\n"
    "  match: {kinds: [Model]}\n  expression: document.spec.task == 'classification'\n  message: Only classes.\n"
)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class Repository:
    """A generated repository whose ledger says that everything is applied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.write(
            "trueup.yaml", "apiVersion: trueup.dev/v1alpha1\nkind: Workspace\nmetadata: {name: woods}\nspec: {}\n"
        )
        self.write(
            "environments.yaml",
            "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {name: dev}\nspec: {target: local}\n",
        )
        for ns in AREAS:
            team = f"kind: Team\nmetadata: {{name: {ns}}}\nspec:\n  members: [{{user: someone}}]\n  owns: [{ns}]\n"
            self.write(f"teams/{ns}.yaml", f"apiVersion: trueup.dev/v1alpha1\n{team}")
            self.write(f"data/{ns}.csv", f"bad,age\ngood,{len(ns)}\n")
            for kind in SPECS:
                self.document(ns, kind)
        git(folder, "init", "-q", "-b", "main")
        self.commit()
        self.apply()

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def document(self, ns: str, kind: str, body: str = "", name: str = "") -> str:
        """Writes a document; gives its path."""
        path = f"{ns}/{name or kind.lower()}.yaml"
        head = HEAD.format(kind=kind, name=name or NAMES.get(kind, kind.lower()), ns=ns, owner=ns)
        self.write(path, head + (body or SPECS[kind]).replace("NS", ns))
        return path

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text()
        self.write(path, text.replace(old, new))

    def commit(self) -> None:
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", "Edit")

    @property
    def workspace(self) -> Workspace:
        return open_workspace(self.folder)

    def tree(self, revision: str = "") -> Tree:
        found = trees.revision(self.folder, revision, "") if revision else WorkingTree(self.folder, "")
        assert found is not None
        return found

    def apply(self) -> None:
        """Records what main plans as applied, as a finished apply does."""
        found = prepare(self.workspace, "dev", self.tree("main"), with_before=False)
        commit = git(self.folder, "rev-parse", "main")
        self.workspace.ledger.append(Event(EventKind.STEP, "dev", commit), *self.updates(found, commit))
        details = {"documents": [], "tree": found.plan.tree, quiet.DETAIL: quiet.detail(found)}
        self.workspace.ledger.append(Event(EventKind.APPLIED, "dev", commit, details=details))

    def updates(self, found: Prepared, commit: str) -> list[StackUpdate]:
        gone = {id: stack for id, stack in found.recorded.stacks.items() if id not in found.compilation.stacks}
        touched = {step.address.stack for step in found.plan.steps}
        made = []
        for id, stack in ((i, s) for i, s in found.compilation.stacks.items() if i in touched):
            resources = tuple(replace(described(r), id=r.address.name) for r in stack.resources)
            before = found.recorded.stacks.get(id)
            removed = tuple(a for a in (before.resources if before else ()) if a not in {r.address for r in resources})
            made.append(StackUpdate(id, resources, removed, commit, stack.digest, COMPILER_VERSION))
        return [*made, *(StackUpdate(id, destroyed=True) for id in gone)]


@pytest.fixture
def woods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TRUEUP_NO_CACHE", raising=False)
    return Repository(tmp_path / "woods")


def said(plan: Callable[[], Prepared]) -> tuple[bytes, Any]:
    """What a plan is, to the byte, with what was said beside it."""
    try:
        found = plan()
    except InvalidSpecs as error:
        return b"invalid", error.diagnostics
    return saved.dump(found.plan), found.diagnostics


def same_in_every_way(woods: Repository, monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> bytes:
    """Plans of the pull request and of the working tree, warm, from nothing and without a cache: all the same."""
    found = b""
    for tree, rules in ((woods.tree("HEAD"), woods.tree("main")), (woods.tree(), None)):
        whole = said(lambda: prepare(woods.workspace, "dev", tree, rules=rules))  # noqa: B023 — called at once
        narrow = lambda: prepare_narrowly(woods.workspace, "dev", tree, rules=rules)  # noqa: B023, E731
        assert said(narrow) == whole, "with what was learned before"
        assert said(narrow) == whole, "once more, with what this plan taught"
        with monkeypatch.context() as patch:
            patch.setenv("TRUEUP_NO_CACHE", "1")
            assert said(narrow) == whole, "without a cache"
        found = whole[0]
    with monkeypatch.context() as patch:  # the ledger's anchor stays where it is: only the cache moves
        patch.setattr("trueup.places.cache", lambda: elsewhere)
        assert said(narrow) == whole, "from an empty cache"
    return found


def memory_of(home: Path) -> list[Path]:
    return sorted((home / "cache" / "plans").glob("*"))


def test_only_the_cell_that_changed_is_looked_at(woods: Repository) -> None:
    everything = prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    assert everything.plan.empty and len(everything.catalog.documents) > 5 * len(AREAS)
    git(woods.folder, "checkout", "-q", "-b", "change")
    woods.edit("oak/pipeline.yaml", "seed: 1", "seed: 2")
    woods.commit()
    found = prepare_narrowly(woods.workspace, "dev", woods.tree("change"), rules=woods.tree("main"))
    assert {k.namespace for k in found.catalog.documents} == {"", "oak"}
    assert {s.origin for s in found.plan.steps} == {"Model/oak/risk", "Endpoint/oak/risk"}
    assert sorted(found.plan.sources) == [f"DataSource/{ns}/raw" for ns in AREAS], (
        "also of those that were not looked at"
    )


def test_what_a_cell_reads_outside_its_files_makes_it_be_looked_at(woods: Repository) -> None:
    prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    woods.write("data/fir.csv", "bad,age\ngood,99\n")
    woods.commit()
    found = prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    assert {s.address.stack.namespace for s in found.plan.steps} == {"fir"}
    assert {k.namespace for k in found.catalog.documents} == {"", "fir"}


def test_a_reference_makes_two_namespaces_one_cell(woods: Repository) -> None:
    woods.edit("ash/endpoint.yaml", "name: risk}", "name: birch/risk}")
    woods.commit()
    woods.apply()
    prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    woods.edit("birch/pipeline.yaml", "seed: 1", "seed: 2")
    woods.commit()
    found = prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    assert {"Endpoint/ash/risk", "Endpoint/birch/risk"} <= {s.origin for s in found.plan.steps}


def test_two_gateways_at_one_port_are_found_wherever_they_are(woods: Repository) -> None:
    woods.document("ash", "Gateway", GATEWAY, "door")
    woods.commit()
    woods.apply()
    prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    woods.document("yew", "Gateway", GATEWAY, "gate")
    with pytest.raises(InvalidSpecs) as error:
        prepare_narrowly(woods.workspace, "dev", woods.tree())
    assert {d.code for d in error.value.diagnostics} == {"TRU1805"} and len(error.value.diagnostics) == 2


def test_what_is_recorded_is_compared_anew(woods: Repository) -> None:
    assert prepare_narrowly(woods.workspace, "dev", woods.tree("main")).plan.empty
    found = prepare(woods.workspace, "dev", woods.tree("main"))
    (stack,) = [s for i, s in found.recorded.stacks.items() if str(i) == "dev.pine.serving"]
    old = [replace(r, status="waiting") for r in stack.resources.values()]
    woods.workspace.ledger.append(Event(EventKind.STEP, "dev", ""), StackUpdate(stack.id, tuple(old)))
    plan = prepare_narrowly(woods.workspace, "dev", woods.tree("main")).plan
    assert {s.address.stack for s in plan.steps} == {stack.id} and {s.exempt for s in plan.steps} == {"resume"}


@pytest.mark.parametrize("cached", [True, False])
def test_what_a_cluster_was_seen_to_have_may_be_lacking_anywhere(
    woods: Repository, cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cached:
        monkeypatch.setenv("TRUEUP_NO_CACHE", "1")
        woods.apply()  # what it found takes the place of what was learned
    git(woods.folder, "checkout", "-q", "-b", "change")
    woods.edit("oak/pipeline.yaml", "seed: 1", "seed: 2")
    woods.commit()

    def seen() -> set[str]:
        found = prepare_narrowly(woods.workspace, "dev", woods.tree("change"), rules=woods.tree("main"))
        return {k.namespace for k in found.catalog.documents}

    prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    assert seen() == {"", "oak"}
    form = Inventory(datetime.now(UTC), "v1.36.3").form
    woods.workspace.ledger.append(Event(EventKind.OBSERVED, "dev"), InventoryUpdate("dev", "", form))
    assert seen() == {"", *AREAS}


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: d[: len(d) // 2], lambda d: d[:40] + b"?" + d[41:]])
def test_a_damaged_memory_is_no_memory(
    woods: Repository, damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    (file,) = memory_of(tmp_path / "home")
    file.write_bytes(damage(file.read_bytes()))
    woods.edit("yew/pipeline.yaml", "seed: 1", "seed: 3")
    woods.commit()
    assert b"Model/yew/risk" in same_in_every_way(woods, monkeypatch, tmp_path / "other")


def test_nothing_is_kept_where_the_cache_is_off(
    woods: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEUP_NO_CACHE", "1")
    found = prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    assert found.plan.empty and len(found.catalog.documents) > 5 * len(AREAS)
    assert not memory_of(tmp_path / "home")


def plan_without_cache(woods: Repository, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """The plan of the working tree without a cache, which must be what a whole look gives."""
    with monkeypatch.context() as patch:
        patch.setenv("TRUEUP_NO_CACHE", "1")
        found = prepare_narrowly(woods.workspace, "dev", woods.tree())
    assert saved.dump(found.plan) == saved.dump(prepare(woods.workspace, "dev", woods.tree()).plan)
    return found


def namespaces(found: Prepared) -> set[str]:
    return {k.namespace for k in found.catalog.documents} - {""}


def test_what_the_last_apply_found_idle_is_not_looked_at_without_a_cache(
    woods: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert namespaces(plan_without_cache(woods, monkeypatch)) == set(AREAS), "the first apply did something everywhere"
    woods.edit("fir/pipeline.yaml", "seed: 1", "seed: 2")
    woods.commit()
    woods.apply()
    woods.edit("oak/pipeline.yaml", "seed: 1", "seed: 2")
    found = plan_without_cache(woods, monkeypatch)
    assert namespaces(found) == {"fir", "oak"}, "the one that the apply changed, and the one that changed since"
    assert {s.origin for s in found.plan.steps} == {"Model/oak/risk", "Endpoint/oak/risk"}
    assert sorted(found.plan.sources) == [f"DataSource/{ns}/raw" for ns in AREAS]


def test_what_the_last_apply_found_holds_for_the_same_code_data_and_stacks_only(
    woods: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    woods.apply()
    assert namespaces(plan_without_cache(woods, monkeypatch)) == set()
    with monkeypatch.context() as patch:
        patch.setattr("trueup.load.cache.code", lambda packages: "of another version")
        assert namespaces(plan_without_cache(woods, monkeypatch)) == set(AREAS)
    (stack,) = [s for i, s in woods.workspace.ledger.recorded().stacks.items() if str(i) == "dev.pine.serving"]
    waiting = tuple(replace(r, status="waiting") for r in stack.resources.values())
    woods.workspace.ledger.append(Event(EventKind.STEP, "dev", ""), StackUpdate(stack.id, waiting))
    assert namespaces(plan_without_cache(woods, monkeypatch)) == {"pine"}
    woods.write("data/fir.csv", "bad,age\ngood,99\n")
    assert {s.address.stack.namespace for s in plan_without_cache(woods, monkeypatch).plan.steps} == {"fir", "pine"}


def test_memory_forgets_what_no_plan_needs_any_more(woods: Repository, tmp_path: Path) -> None:
    prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    (file,) = memory_of(tmp_path / "home")
    first = memories.load(file)
    assert len(first.cells) == len(AREAS)
    for number in range(12):
        for ns in AREAS:
            woods.document(ns, "Pipeline", SPECS["Pipeline"].replace("seed: 1", f"seed: {number + 2}"))
        woods.commit()
        prepare_narrowly(woods.workspace, "dev", woods.tree("main"))
    assert memory_of(tmp_path / "home") == [file]
    last = memories.load(file)
    assert len(AREAS) <= len(last.cells) < 50, "of 91 that there were"
    assert len(first.places()) <= len(last.places()) < 2.5 * len(first.places())
    assert prepare_narrowly(woods.workspace, "dev", woods.tree("main")).plan.tree == woods.tree("main").oid


def edits(woods: Repository, chance: random.Random) -> list[Callable[[], object]]:
    """What a person may do to the repository, valid or not."""
    one, other = chance.sample(AREAS, 2)
    number = chance.randrange(2, 1000)

    def removed(path: str) -> None:
        (woods.folder / path).unlink(missing_ok=True)

    def moved() -> None:
        removed(f"{one}/endpoint.yaml")
        path = woods.document(one, "Endpoint", SPECS["Endpoint"], "moved")
        woods.edit(path, "  owner:", f"  movedFrom: {chance.choice(['risk', f'{other}/risk'])}\n  owner:")

    return [
        lambda: woods.document(one, "Pipeline", SPECS["Pipeline"].replace("seed: 1", f"seed: {number}")),
        lambda: woods.document(one, "Endpoint", SPECS["Endpoint"].replace("name: risk", f"name: {other}/risk")),
        lambda: woods.document(one, "Endpoint", SPECS["Endpoint"].replace("name: risk", f"name: risc{number}")),
        lambda: woods.document(one, "Dataset", SPECS["Dataset"].replace("source: raw", f"source: {other}/raw")),
        lambda: woods.document(one, "Model", SPECS["Model"] + f"  description: It is {number}.\n"),
        lambda: woods.edit(f"teams/{one}.yaml", "user: someone", f"user: someone{number}"),
        lambda: woods.edit(f"{one}/model.yaml", f"owner: {one}", f"owner: {other}"),
        lambda: woods.write(f"data/{one}.csv", f"bad,age\ngood,{number}\n"),
        lambda: woods.write("policy.yaml", POLICY),
        lambda: woods.document(one, "Gateway", GATEWAY.replace("8080", str(8000 + number % 3)), "door"),
        lambda: removed(f"{one}/endpoint.yaml"),
        lambda: removed(f"data/{other}.csv"),
        lambda: removed("policy.yaml"),
        lambda: [woods.document(one, kind) for kind in SPECS],
        lambda: woods.document(
            one,
            "Overlay",
            f"  target: {{kind: Endpoint, namespace: {other}, name: risk}}\n  environments: [dev]\n"
            f"  patch: {{predictor: {{minReplicas: {number % 5}}}}}\n",
            "patch",
        ),
        moved,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_any_edits_give_what_a_whole_look_gives(
    woods: Repository, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    seen = set()
    for step in range(10):
        if step % 3 == 0:
            git(woods.folder, "checkout", "-q", "-B", "change", "main")
        for _ in range(chance.choice((1, 1, 2))):
            chance.choice(edits(woods, chance))()
        woods.commit()
        found = same_in_every_way(woods, monkeypatch, tmp_path / f"other-{step}")
        seen.add(found)
        if step % 3 == 2 and found != b"invalid":
            git(woods.folder, "branch", "-f", "main", "change")
            if chance.random() < 0.7:
                woods.apply()
    assert len(seen) > 2, "the edits did something"
