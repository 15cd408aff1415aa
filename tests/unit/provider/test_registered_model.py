"""Entries of models in a real MLflow registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup import tracking
from trueup.provider.component import ComponentError, Context
from trueup.provider.registered_model import RegisteredModel

MODEL = RegisteredModel()
URN = "urn:pulumi:dev.credit.model::demo::trueup:registry:RegisteredModel::risk"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def inputs(name: str, **more: Any) -> dict[str, Any]:
    given = {"trackingUri": "home:registry", "name": name, "task": "classification", "tags": {"tier": "1"}}
    return {**given, "description": "Who pays back.", "owner": "risk", **more}


def entry(home: Path, name: str) -> Any:
    return tracking.client(home, "home:registry").get_registered_model(name)


def test_an_entry_is_made_changed_and_adopted(home: Path) -> None:
    context = Context(home, URN)
    state = MODEL.create(context, inputs("made"))
    assert (state.id, state.outputs) == ("made", {"name": "made"})
    found = entry(home, "made")
    assert found.description == "Who pays back."
    assert found.tags == {"tier": "1", "trueup.urn": URN, "trueup.owner": "risk", "trueup.task": "classification"}
    tracking.client(home, "home:registry").create_model_version("made", str(home))
    MODEL.create(context, inputs("made", tags={"tier": "2"}, owner="core"))
    assert entry(home, "made").tags["tier"] == "2" and entry(home, "made").latest_versions, "adopted with its versions"
    live = MODEL.read(context, "made", inputs("made"), {})
    assert live is not None and (live.inputs["owner"], live.inputs["tags"]) == ("core", {"tier": "2"})
    MODEL.update(context, "made", inputs("made"), {}, inputs("made", tags={}, description=""))
    assert entry(home, "made").description == "" and "tier" not in entry(home, "made").tags


def test_a_new_name_keeps_the_versions(home: Path) -> None:
    context = Context(home, URN)
    MODEL.create(context, inputs("before"))
    MODEL.create(context, inputs("taken"))
    client = tracking.client(home, "home:registry")
    client.create_model_version("before", str(home))
    with pytest.raises(ComponentError, match="already has a model 'taken'"):
        MODEL.update(context, "before", inputs("before"), {}, inputs("taken"))
    assert MODEL.update(context, "before", inputs("before"), {}, inputs("after")).id == "after"
    assert [v.version for v in client.search_model_versions("name = 'after'")] == [1]
    assert MODEL.read(context, "before", inputs("before"), {}) is None


def test_an_entry_goes_with_its_versions_and_may_be_gone(home: Path) -> None:
    context = Context(home, URN)
    MODEL.create(context, inputs("going"))
    MODEL.delete(context, "going", inputs("going"), {})
    assert MODEL.read(context, "going", inputs("going"), {}) is None
    MODEL.delete(context, "going", inputs("going"), {})
