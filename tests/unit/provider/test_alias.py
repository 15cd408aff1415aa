"""Aliases in a real MLflow registry."""

from __future__ import annotations

from typing import Any

import pytest

from trueup import tracking
from trueup.provider.alias import Alias
from trueup.provider.component import UNKNOWN, ComponentError, Context

ALIAS = Alias()
URN = "urn:pulumi:dev.credit.model::demo::trueup:registry:Alias::risk-champion"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A registry with three versions of `credit.risk`."""
    home = tmp_path_factory.mktemp("home")
    client = tracking.client(home, "home:registry")
    client.create_registered_model("credit.risk")
    for _ in range(3):
        client.create_model_version("credit.risk", str(home / "model"))
    return Context(home, URN)


def inputs(version: Any = 1, **more: Any) -> dict[str, Any]:
    return {"trackingUri": "home:registry", "model": "credit.risk", "alias": "dev-champion", "version": version, **more}


def points_to(context: Context) -> int:
    return int(
        tracking.client(context.home, "home:registry").get_model_version_by_alias("credit.risk", "dev-champion").version
    )


def test_an_alias_is_made_moved_seen_and_taken_away(context: Context) -> None:
    state = ALIAS.create(context, inputs(1))
    assert (state.id, state.outputs, points_to(context)) == ("credit.risk@dev-champion", {"version": 1}, 1)
    assert ALIAS.update(context, state.id, inputs(1), state.outputs, inputs(2)).outputs == {"version": 2}
    assert points_to(context) == 2
    tracking.client(context.home, "home:registry").set_registered_model_alias("credit.risk", "dev-champion", "3")
    live = ALIAS.read(context, state.id, inputs(2), {"version": 2})
    assert live is not None and live.inputs == inputs(3), "somebody moved it: drift"
    imported = ALIAS.read(context, state.id, {}, {})
    assert imported is not None and imported.inputs == inputs(3)
    ALIAS.delete(context, state.id, inputs(2), {})
    assert ALIAS.read(context, state.id, inputs(2), {}) is None
    ALIAS.delete(context, state.id, inputs(2), {})
    assert len(tracking.client(context.home, "home:registry").search_model_versions("name = 'credit.risk'")) == 3


def test_a_version_that_is_not_there_is_refused_by_name(context: Context) -> None:
    with pytest.raises(ComponentError, match=r"no version 9 of 'credit\.risk'"):
        ALIAS.create(context, inputs(9))


@pytest.mark.slow
def test_a_registry_that_is_down_is_named_within_seconds(context: Context) -> None:
    with pytest.raises(ComponentError, match=r"registry http://127\.0\.0\.1:9"):
        ALIAS.create(context, inputs(1, trackingUri="http://127.0.0.1:9"))


def test_all_mistakes_at_once() -> None:
    assert {f.path for f in ALIAS.check({"version": 0})} == {"trackingUri", "model", "alias", "version"}
    assert ALIAS.check(inputs(UNKNOWN)) == []
    assert ALIAS.preview(inputs(UNKNOWN), None) == {}
