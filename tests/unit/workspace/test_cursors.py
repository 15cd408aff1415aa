"""New rows of a database are found by an apply through the cursor of their source, and by nobody else."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from trueup.workspace import applying, operating

World = Any
DATA = """\
apiVersion: trueup.dev/v1alpha1
kind: DataSource
metadata: {name: orders}
spec:
  sql:
    connection: {secretRef: {store: variables, name: WAREHOUSE}}
    query: SELECT id, city FROM orders
    cursor: SELECT max(id) FROM orders
---
apiVersion: trueup.dev/v1alpha1
kind: Dataset
metadata: {name: orders}
spec:
  source: orders
  schema:
    properties:
      - {name: id, logicalType: integer, required: true}
      - {name: city, logicalType: string}
"""
STORE = "spec:\n  secretStores:\n    - {name: variables, type: env}\n  target: local\n"


def execute(database: Path, *statements: str) -> None:
    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.fixture
def database(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database, and a workspace with nothing but a table of it."""
    file = tmp_path / "orders.db"
    execute(file, "CREATE TABLE orders (id INTEGER, city TEXT)", "INSERT INTO orders VALUES (1, 'Bern')")
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{file}")
    world.git("rm", "-q", "endpoint.yaml", "model.yaml")
    world.write("data.yaml", DATA)
    world.edit("environments.yaml", "spec:\n  target: local\n", STORE)
    world.commit("Orders")
    return file


def seen(world: World) -> Any:
    """The plan of someone who may look at the live things."""
    return world.prepare(see=lambda catalog, recorded: operating.sight(world.workspace, catalog, recorded))


def fingerprints(prepared: Any) -> list[str]:
    return [r.properties["sourceFingerprint"] for r in prepared.compilation.resources()]


def test_only_who_may_look_asks_the_database(world: World, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fingerprints(world.prepare()) == ["unknown"]
    assert fingerprints(seen(world)) == ["cursor:1"]
    pull_request = world.prepare(rules=world.tree(), see=lambda catalog, recorded: operating.Sight())
    assert fingerprints(pull_request) == ["unknown"], "a pull request's specs say where the credentials would go"
    monkeypatch.delenv("WAREHOUSE")
    unasked = seen(world)
    (warning,) = [d for d in unasked.diagnostics if d.code == "TRU2009"]
    assert fingerprints(unasked) == ["unknown"] and "WAREHOUSE" in warning.detail and not unasked.forbidden


@pytest.mark.slow
@pytest.mark.capability("data-operations/resource-optimization", by="trueup.observe.cursors:_one")
def test_an_apply_loads_what_the_cursor_says_is_new(pulumi_cli: Path, world: World, database: Path) -> None:
    assert applying.apply(world.workspace, seen(world), lambda _event: None).outcome == "done"
    table = str(next(world.workspace.home.glob("dev/tables/*/orders")))
    assert DeltaTable(table).to_pyarrow_table().to_pylist() == [{"id": 1, "city": "Bern"}]
    assert seen(world).plan.empty and world.prepare().plan.empty
    execute(database, "UPDATE orders SET city = 'Basel'")
    assert seen(world).plan.empty, "the cursor says that nothing is new"
    execute(database, "INSERT INTO orders VALUES (2, 'Zug')")
    assert world.prepare().plan.empty, "an offline plan asks nobody"
    newer = seen(world)
    assert len(newer.plan.steps) == 1
    step = newer.plan.steps[0]
    assert (step.exempt, [(c.path, c.recorded, c.desired) for c in step.changes]) == (
        "volatile",
        [("sourceFingerprint", "cursor:1", "cursor:2")],
    )
    assert applying.apply(world.workspace, newer, lambda _event: None).outcome == "done"
    assert DeltaTable(table).version() == 1
    assert [r["city"] for r in DeltaTable(table).to_pyarrow_table().to_pylist()] == ["Basel", "Zug"]
    assert seen(world).plan.empty and world.prepare().plan.empty
