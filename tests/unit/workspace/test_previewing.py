"""The online plan: Pulumi and the providers are asked, stack by stack, with unknowns for what is not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.workspace import applying, previewing

World = Any
TABLE = "trueup:data:Table"


def asked(world: World) -> dict[str, Any]:
    found = previewing.preview(world.workspace, world.prepare(), lambda _event: None)
    assert all(p.ok for p in found), [p.error for p in found]
    return {str(p.stack): p for p in found}


@pytest.mark.slow
def test_a_first_preview_holds_over_all_stacks_and_makes_nothing(pulumi_cli: Path, world: World) -> None:
    found = asked(world)
    assert list(found) == ["dev.credit.data", "dev.credit.model", "dev.credit.serving"]
    actions = {s.address.type: s.action for p in found.values() for s in p.steps}
    assert set(actions.values()) == {"create"}
    assert {"trueup:data:Table", "trueup:run:Run", "trueup:run:Gate", "trueup:serve:Service"} <= set(actions)
    home = world.workspace.home
    assert not (home / "runs").exists()
    assert not (home / "dev").exists()
    assert not world.workspace.ledger.exists()


@pytest.mark.slow
def test_a_change_upstream_enters_the_next_stack_as_unknown(pulumi_cli: Path, world: World) -> None:
    world.git("rm", "-q", "endpoint.yaml", "model.yaml")
    world.commit("Only data")
    done = applying.apply(world.workspace, world.prepare(), lambda _event: None)
    assert done.outcome == "done", done
    assert previewing.preview(world.workspace, world.prepare(), lambda _event: None) == ()
    world.git("checkout", "-q", "HEAD~1", "--", "model.yaml")
    world.commit("The model again")
    [model] = asked(world).values()
    assert str(model.stack) == "dev.credit.model"
    path = world.folder / "data/credit.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    world.commit("More data")
    both = asked(world)
    assert [s.action for s in both["dev.credit.data"].changed] == ["update"]
    prepared = world.prepare()
    table = next(s.address for s in prepared.plan.steps if s.address.type == TABLE)
    assert table in previewing.unsettled(prepared.plan.steps)
    assert table in previewing.external(next(s for i, s in prepared.compilation.stacks.items() if i.layer == "model"))
