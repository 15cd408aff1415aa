"""Old versions leave a real MLflow registry once a newer one is accepted, and nothing that is in use does."""

from __future__ import annotations

from typing import Any

import pytest

from trueup import tracking
from trueup.record.events import EventKind
from trueup.workspace import retiring
from trueup.workspace.promoting import promote

World = Any
NAME = "churn.churn"


@pytest.fixture
def registry(churn: World) -> Any:
    """The registry of the workspace, with six versions and the folder of the run that made the third."""
    client = tracking.client(churn.workspace.home, "home:registry")
    client.create_registered_model(NAME)
    for number in range(1, 7):
        client.create_model_version(NAME, f"/models/{number}", tags={"trueup.fingerprint": f"run{number}"})
    (churn.workspace.home / "runs" / "run3").mkdir(parents=True)
    churn.edit("churn/model.yaml", "  promotion:\n", "  retention: {versions: 2}\n  promotion:\n")
    churn.commit()
    return client


def versions(registry: Any) -> list[int]:
    return sorted(int(v.version) for v in registry.search_model_versions(f"name = '{NAME}'"))


@pytest.mark.capability("model-management/archival-policies", by="trueup.workspace.retiring:_retire")
def test_what_is_old_and_not_in_use_anywhere_is_retired(churn: World, registry: Any) -> None:
    churn.apply("dev", version=1)
    promote(churn.workspace, "churn")
    churn.commit()
    churn.apply("prod", version=1)
    registry.set_registered_model_alias(NAME, "by-hand", "2")
    said: list[str] = []
    prepared = churn.apply("dev", version=6)
    retiring.retire(churn.workspace, prepared, said.append)
    assert versions(registry) == [1, 2, 5, 6], "prod uses 1, an alias names 2, and 5 and 6 are the newest"
    assert said == [f"retired version 4, 3 of {NAME}: the newest 2 and those in use stay"]
    entry = churn.workspace.ledger.last("dev", EventKind.RETIRED)
    assert entry.event.details["versions"] == [
        {"version": 4, "source": "/models/4", "run": "run4"},
        {"version": 3, "source": "/models/3", "run": "run3"},
    ]
    home = churn.workspace.home
    assert not (home / "runs" / "run3").exists() and list((home / "runs-before").glob("run3.*"))


def test_an_apply_that_accepts_nothing_new_retires_nothing(churn: World, registry: Any) -> None:
    churn.apply("dev", version=6)
    said: list[str] = []
    retiring.retire(churn.workspace, churn.apply("dev", version=6), said.append)
    assert (versions(registry), said) == ([1, 2, 3, 4, 5, 6], [])


def test_a_version_that_a_spec_pins_stays(churn: World, registry: Any) -> None:
    churn.apply("dev", version=3)
    promote(churn.workspace, "churn")
    churn.commit()
    retiring.retire(churn.workspace, churn.apply("dev", version=6), lambda _line: None)
    assert versions(registry) == [3, 5, 6], "the pin for prod is merged and not yet applied"


def test_a_registry_that_is_down_is_said_and_no_failure(churn: World, registry: Any, monkeypatch: Any) -> None:
    churn.apply("dev", version=1)
    prepared = churn.apply("dev", version=6)
    said: list[str] = []
    monkeypatch.setattr(retiring.naming, "tracking_uri", lambda _catalog: "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    retiring.retire(churn.workspace, prepared, said.append)
    assert len(said) == 1 and said[0].startswith("old versions of Model/churn/churn stay in the registry")
    assert versions(registry) == [1, 2, 3, 4, 5, 6]
