"""What people call documents."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.workspace.naming import key_in, model_in
from trueup.workspace.opening import WorkspaceError
from trueup_specs.core.references import Key

World = Any
RISK = Key("Model", "credit", "risk")


@pytest.mark.parametrize("text", ["Model/risk", "model/risk", "Model/credit/risk"])
def test_a_document_is_found_by_kind_and_name(world: World, text: str) -> None:
    assert key_in(world.workspace, text, "dev") == RISK


def test_a_document_that_is_gone_is_found_in_the_ledger(world: World) -> None:
    world.apply()
    world.git("rm", "-q", "endpoint.yaml")
    world.commit()
    assert key_in(world.workspace, "Endpoint/risk", "dev") == Key("Endpoint", "credit", "risk")


def test_a_broken_document_hides_no_other(world: World) -> None:
    world.edit("endpoint.yaml", "kind: Endpoint", "kind: Endpont")
    assert key_in(world.workspace, "Model/risk") == RISK


def test_an_unknown_one_says_what_was_probably_meant(world: World) -> None:
    with pytest.raises(WorkspaceError, match="Did you mean Model/risk") as error:
        key_in(world.workspace, "Model/rsik", "dev")
    assert error.value.code == 3


def test_a_name_without_a_kind_is_explained(world: World) -> None:
    with pytest.raises(WorkspaceError, match="KIND/NAME") as error:
        key_in(world.workspace, "risk")
    assert error.value.code == 64


def test_a_name_of_several_namespaces_must_say_which() -> None:
    keys = [Key("Model", "a", "risk"), Key("Model", "b", "risk")]
    with pytest.raises(WorkspaceError, match="Model/a/risk or Model/b/risk"):
        model_in(keys, "risk")
    assert model_in(keys, "b/risk") == keys[1]
