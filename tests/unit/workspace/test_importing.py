"""What is there already is taken over as it is; the next plan shows what the specs want otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.record.events import EventKind
from trueup.workspace import applying, importing
from trueup.workspace.opening import WorkspaceError

World = Any
STORE = """\
apiVersion: trueup.dev/v1alpha1
kind: ObjectStore
metadata: { name: letters, namespace: credit }
spec: { forceDestroy: true }
"""
URI = "home:dev/objects/credit/letters"


@pytest.fixture
def store(pulumi_cli: Path, world: World) -> Path:
    """A workspace with an object store only, whose folder is there with a file in it."""
    world.git("rm", "-q", "endpoint.yaml", "model.yaml", "data.yaml")
    world.write("store.yaml", STORE)
    world.commit("Letters")
    assert not world.prepare().forbidden, world.prepare().diagnostics
    folder: Path = world.workspace.home / "dev/objects/credit/letters"
    folder.mkdir(parents=True)
    (folder / "one.txt").write_text("Dear Ada")
    return folder


@pytest.mark.slow
def test_a_folder_with_files_is_imported_and_then_applied(world: World, store: Path) -> None:
    address = importing.import_resource(world.workspace, "dev", "ObjectStore/letters", URI)
    assert address == "dev.credit.foundation::trueup:data:Bucket::letters"
    recorded = world.workspace.ledger.recorded().resource(world.prepare().plan.steps[0].address)
    assert recorded.id == URI
    assert (store / "one.txt").read_text() == "Dear Ada"
    entry = world.workspace.ledger.last("dev", EventKind.STEP)
    assert entry.event.details["steps"] == [{"resource": address, "action": "import", "status": "done"}]
    [step] = world.prepare().plan.steps
    assert str(step.action) == "update", "it is there, and is not made again"
    assert "forceDestroy" in {c.path for c in step.changes}
    done = applying.apply(world.workspace, world.prepare(), lambda _event: None)
    assert done.outcome == "done", done.result.results
    assert world.prepare().plan.empty
    assert (store / "one.txt").read_text() == "Dear Ada"
    with pytest.raises(WorkspaceError, match="recorded as applied already"):
        importing.import_resource(world.workspace, "dev", "ObjectStore/letters", URI)


@pytest.mark.slow
def test_what_is_not_there_is_not_imported(world: World, store: Path) -> None:
    with pytest.raises(WorkspaceError, match="was not imported"):
        importing.import_resource(world.workspace, "dev", "ObjectStore/letters", "home:dev/objects/nowhere")
    assert not world.workspace.ledger.exists()


def test_a_document_of_several_resources_must_say_which(world: World) -> None:
    with pytest.raises(WorkspaceError, match="say which with --type"):
        importing.import_resource(world.workspace, "dev", "Model/risk", "credit.risk")
    with pytest.raises(WorkspaceError, match="Did you mean trueup:registry:RegisteredModel"):
        importing.import_resource(world.workspace, "dev", "Model/risk", "credit.risk", "trueup:registry:RegistredModel")
    with pytest.raises(WorkspaceError, match="becomes no resource"):
        importing.import_resource(world.workspace, "dev", "Pipeline/training", "x")
