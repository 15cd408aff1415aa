"""Jobs need state that is kept between them, and that is not empty where the ledger knows of resources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.workspace.opening import WorkspaceError
from trueup.workspace.permitting import check_job, check_state

World = Any


def kept(world: World, folder: Path) -> None:
    world.edit(
        "environments.yaml", "  target: local\n", f"  target: local\n  state: {{ backend: 'file://{folder}' }}\n"
    )
    world.commit("State that is kept")


def test_file_state_without_a_path_is_refused(world: World) -> None:
    with pytest.raises(WorkspaceError, match=r"spec\.state\.backend") as error:
        check_job(world.workspace, "dev", "HEAD")
    assert error.value.code == 7


def test_an_explicit_path_is_good_for_a_first_apply(world: World, tmp_path: Path) -> None:
    kept(world, tmp_path / "state")
    assert check_job(world.workspace, "dev", "HEAD") is None


def test_empty_state_is_refused_where_the_ledger_knows_of_resources(world: World, tmp_path: Path) -> None:
    kept(world, tmp_path / "state")
    world.apply()
    with pytest.raises(WorkspaceError, match="second time") as error:
        check_job(world.workspace, "dev", "HEAD")
    assert "dev.credit.data" in str(error.value)
    stacks = tmp_path / "state/.pulumi/stacks/quickstart"
    stacks.mkdir(parents=True)
    for layer in ("data", "model"):
        (stacks / f"dev.credit.{layer}.json").write_text("{}")
    with pytest.raises(WorkspaceError, match=r"has no dev\.credit\.serving\."):
        check_job(world.workspace, "dev", "HEAD")
    (stacks / "dev.credit.serving.json").write_text("{}")
    assert check_job(world.workspace, "dev", "HEAD") is None


def test_an_apply_by_hand_is_told_of_lost_state_too(world: World, tmp_path: Path) -> None:
    kept(world, tmp_path / "state")
    assert check_state(world.workspace, world.prepare()) is None
    world.apply()
    with pytest.raises(WorkspaceError, match="trueup destroy dev") as error:
        check_state(world.workspace, world.prepare())
    assert error.value.code == 7


def test_the_revision_is_judged_and_not_the_working_tree(world: World, tmp_path: Path) -> None:
    kept(world, tmp_path / "state")
    assert check_job(world.workspace, "dev", "HEAD") is None
    with pytest.raises(WorkspaceError, match=r"spec\.state\.backend"):
        check_job(world.workspace, "dev", "HEAD~1")
    with pytest.raises(WorkspaceError, match="no revision 'nowhere'"):
        check_job(world.workspace, "dev", "nowhere")
