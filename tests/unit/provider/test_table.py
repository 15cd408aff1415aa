"""`data:Table` on real sources and real Delta tables: loads, versions, contracts, drift, kills."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from trueup.provider.component import UNKNOWN, ComponentError, Context, State
from trueup.provider.delta import commits
from trueup.provider.table import Table

URN = "urn:pulumi:dev-shop-data::shop::trueup:data:Table::orders"
URI = "home:dev/tables/shop/orders"
COLUMNS = [
    {"name": "id", "logicalType": "integer", "required": True, "primaryKey": True},
    {"name": "city", "logicalType": "string"},
    {"name": "price", "logicalType": "number", "logicalTypeOptions": {"minimum": 0}},
]
ROWS = [{"id": 9007199254740993, "city": "Zürich, 市", "price": 1.5}, {"id": 2, "city": None, "price": None}]

Inputs = dict[str, Any]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """What the component works with; lines of progress are kept in `said`."""
    return Context(tmp_path / "home", URN, said.append)


said: list[str] = []


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., Inputs]:
    """Writes a CSV file, and gives the inputs of a table that reads it."""

    def write(text: str, fingerprint: str = "git:1", **more: Any) -> Inputs:
        path = tmp_path / "orders.csv"
        path.write_text(text, encoding="utf-8")
        return inputs(
            {"kind": "file", "url": str(path), "format": "csv", "options": {}}, sourceFingerprint=fingerprint, **more
        )

    return write


def inputs(source: dict[str, Any], **more: Any) -> Inputs:
    """The inputs of a table, as the compiler emits them."""
    base = {
        "uri": URI,
        "source": source,
        "sourceFingerprint": "git:1",
        "properties": COLUMNS,
        "strict": False,
        "quality": [],
    }
    return {**base, "timestamp": None, "pinnedVersion": None, "owner": "shop", **more}


def tried(call: Callable[[], State]) -> State | Exception:
    """The state, or why there is none."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 — the test asserts which it is
        return error


def path(context: Context) -> str:
    """Where the table lies."""
    return str(context.home / "dev/tables/shop/orders")


def rows(context: Context, version: int | None = None) -> list[dict[str, Any]]:
    """The rows of a version, by another reader than the component."""
    found: list[dict[str, Any]] = DeltaTable(path(context), version=version).to_pyarrow_table().to_pylist()
    return found


def write_source(kind: str, folder: Path) -> dict[str, Any]:
    """The same rows as each kind of source."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"orders.{kind}"
    if kind == "csv":
        file.write_text('id,city,price\n9007199254740993,"Zürich, 市",1.5\n2,,\n', encoding="utf-8")
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in ROWS), encoding="utf-8")
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), file)
    else:
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE orders (id INTEGER, city TEXT, price REAL)")
            connection.executemany("INSERT INTO orders VALUES (:id, :city, :price)", ROWS)
        connection.close()
        return {"kind": "sql", "connection": f"sqlite:///{file}", "query": "SELECT id, city, price FROM orders"}
    return {"kind": "file", "url": str(file), "format": kind, "options": {}}


@pytest.mark.capability("data-operations/multi-source-ingestion", by="trueup.provider.sources:rows")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "sql"])
def test_each_kind_of_source_gives_the_same_rows(kind: str, context: Context, tmp_path: Path) -> None:
    state = tried(lambda: Table().create(context, inputs(write_source(kind, tmp_path / "sources"))))
    assert isinstance(state, State), state
    assert rows(context) == ROWS
    assert state.outputs["rows"] == 2 and state.outputs["columns"] == ["id", "city", "price"]


def test_a_url_is_read_through_fsspec(context: Context) -> None:
    import fsspec

    with fsspec.open("memory://bucket/orders.csv", "wt") as file:
        file.write("id,city,price\n1,Bern,2.5\n")
    Table().create(
        context, inputs({"kind": "file", "url": "memory://bucket/orders.csv", "format": "csv", "options": {}})
    )
    assert rows(context) == [{"id": 1, "city": "Bern", "price": 2.5}]


def test_each_load_is_a_version_that_can_be_read_back(context: Context, csv: Callable[..., Inputs]) -> None:
    table, first = Table(), csv("id,city,price\n1,Bern,2\n")
    made = table.create(context, first)
    second = csv("id,city,price\n1,Bern,3\n", "git:2")
    changed = table.update(context, made.id, first, made.outputs, second)
    assert (made.outputs["version"], changed.outputs["version"]) == (0, 1)
    assert rows(context, 0)[0]["price"] == 2 and rows(context, 1)[0]["price"] == 3
    assert made.outputs["contentDigest"] != changed.outputs["contentDigest"]


def test_the_same_content_makes_no_new_version(context: Context, csv: Callable[..., Inputs]) -> None:
    table, first = Table(), csv("id,city,price\n1,Bern,2\n")
    made = table.create(context, first)
    again = csv("city,id,price\nBern,01,2.0\n", "git:2", owner="others")
    state = table.update(context, made.id, first, made.outputs, again)
    assert DeltaTable(path(context)).version() == 0
    assert state.outputs["contentDigest"] == made.outputs["contentDigest"] and len(made.outputs["contentDigest"]) == 64


@pytest.mark.capability("data-operations/processing-efficiency", by="trueup.provider.table:_loaded")
def test_what_changes_no_rows_does_not_read_the_source(context: Context, csv: Callable[..., Inputs]) -> None:
    table, first = Table(), csv("id,city,price\n1,Bern,2\n")
    made = table.create(context, first)
    Path(first["source"]["url"]).unlink()
    new = {**first, "owner": "others", "labels": {"a": "b"}}
    assert table.preview(new, State(made.id, made.outputs)) == made.outputs
    state = tried(lambda: table.update(context, made.id, first, made.outputs, new))
    assert isinstance(state, State), f"the source was read again: {state}"
    assert state.outputs == made.outputs


def test_a_preview_of_a_load_knows_the_place_alone(context: Context, csv: Callable[..., Inputs]) -> None:
    table, first = Table(), csv("id,city,price\n1,Bern,2\n")
    made = table.create(context, first)
    assert table.preview({**first, "sourceFingerprint": "git:2"}, State(made.id, made.outputs)) == {"uri": URI}
    assert table.preview({**first, "pinnedVersion": 4}, None) == {"uri": URI, "version": 4}


def test_a_hand_edit_is_drift_and_is_healed_without_the_source(context: Context, csv: Callable[..., Inputs]) -> None:
    table, first = Table(), csv("id,city,price\n1,Bern,2\n")
    made = table.create(context, first)
    same = table.read(context, made.id, first, made.outputs)
    assert same is not None and same.inputs == first and same.outputs == made.outputs

    write_deltalake(path(context), pa.table({"id": [1], "city": ["Basel"], "price": [9.0]}), mode="overwrite")
    Path(first["source"]["url"]).unlink()
    live = table.read(context, made.id, first, made.outputs)
    assert live is not None and live.inputs["sourceFingerprint"] == "edited: version 1 was not written by Trueup"
    assert live.outputs["version"] == 0, "readers keep the version that we wrote"

    healed = table.update(context, made.id, live.inputs, live.outputs, first)
    assert healed.outputs["version"] == 2 and rows(context)[0]["city"] == "Bern"
    assert rows(context, 1)[0]["city"] == "Basel", "the edit stays in the history"
    after = table.read(context, made.id, first, healed.outputs)
    assert after is not None and after.inputs == first


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"kind": "file", "url": "/nowhere/a.csv", "format": "csv"}, "is not there"),
        (
            {"kind": "file", "url": "http://joe:sesame-open@127.0.0.1:9/a.csv?sig=sesame-open", "format": "csv"},
            "127.0.0.1:9/a.csv cannot be read",
        ),
        ({"kind": "sql", "connection": "sqlite:////nowhere/a.db", "query": "SELECT 1"}, "is not there"),
        (
            {"kind": "sql", "connection": "mysql+nodriver://joe:sesame-open@db.local/shop", "query": "SELECT 1"},
            "db.local/shop failed",
        ),
        (
            {
                "kind": "file",
                "url": "s3://bucket/a.csv",
                "format": "csv",
                "storageOptions": {"key": "sesame-open", "secret": "sesame-open"},
            },
            "s3://bucket/a.csv",
        ),
    ],
)
def test_a_source_that_is_down_is_one_clear_error(source: dict[str, Any], told: str, context: Context) -> None:
    with pytest.raises(ComponentError, match=told) as error:
        Table().create(context, inputs(source))
    assert "sesame-open" not in str(error.value)
    assert Table().read(context, URI, {}, {}) is None


@pytest.mark.capability("data-operations/validation-rules", by="trueup.provider.contracts:_column")
def test_readers_keep_the_old_version_of_data_that_breaks_the_contract(
    context: Context, csv: Callable[..., Inputs]
) -> None:
    table, first = Table(), csv("id,city,price\n1,Bern,2\n")
    made = table.create(context, first)
    bad = csv("id,city,price\n1,Bern,-2\n1,Basel,x\n,Genf,3\n", "git:2")
    with pytest.raises(ComponentError) as error:
        table.update(context, made.id, first, made.outputs, bad)
    assert "Column 'price' must be at least 0, but 1 row is not: row 1 has -2" in str(error.value)
    assert "Column 'price' is number, but 1 row is not: row 2 has 'x'" in str(error.value)
    assert "Column 'id' is required, but 1 row has no value (row 3)" in str(error.value)
    assert "The primary key (id) repeats in 1 rows: row 2 has (1)" in str(error.value)
    assert DeltaTable(path(context)).version() == 0 and rows(context)[0]["price"] == 2


@pytest.mark.capability("model-management/version-management", by="trueup.provider.table:_outputs")
def test_a_pinned_version_is_what_readers_get(context: Context, csv: Callable[..., Inputs]) -> None:
    table, first = Table(), csv("id,city,price\n1,Bern,2\n")
    made = table.create(context, first)
    assert made.outputs, "readers are told which version they get"
    second = csv("id,city,price\n1,Bern,3\n2,Basel,4\n", "git:2", pinnedVersion=0)
    state = table.update(context, made.id, first, made.outputs, second)
    assert state.outputs["version"] == 0 and state.outputs["rows"] == 1
    assert DeltaTable(path(context)).version() == 1
    free = table.update(context, made.id, second, state.outputs, {**second, "pinnedVersion": None})
    assert free.outputs["version"] == 1 and free.outputs["rows"] == 2
    with pytest.raises(ComponentError, match="pinned at version 7, but its newest is 1"):
        table.update(context, made.id, second, state.outputs, {**second, "pinnedVersion": 7})


def test_columns_come_and_go_with_the_contract(context: Context, csv: Callable[..., Inputs]) -> None:
    table, first = Table(), csv("id,city,price,note\n1,Bern,2,ü\n")
    made = table.create(context, first)
    wide = {**first, "properties": [*COLUMNS, {"name": "note", "logicalType": "string"}]}
    added = table.update(context, made.id, first, made.outputs, wide)
    assert added.outputs["columns"] == ["id", "city", "price", "note"] and rows(context)[0]["note"] == "ü"
    narrow = {**first, "properties": COLUMNS[:1]}
    removed = table.update(context, made.id, wide, added.outputs, narrow)
    assert removed.outputs["columns"] == ["id"] and rows(context, 1)[0]["note"] == "ü"


def test_a_load_that_was_committed_but_not_told_is_adopted(context: Context, csv: Callable[..., Inputs]) -> None:
    first = csv("id,city,price\n1,Bern,2\n")
    one, two = Table().create(context, first), Table().create(context, first)
    assert one.outputs == two.outputs and DeltaTable(path(context)).version() == 0


@pytest.mark.slow
@pytest.mark.capability("data-operations/batch-processing", by="trueup.provider.table:Table._load")
def test_a_kill_in_the_middle_of_a_load_leaves_no_half_version(context: Context, tmp_path: Path) -> None:
    source = tmp_path / "big.csv"
    pd.DataFrame({"id": range(400_000), "city": "Bern", "price": 1.0}).to_csv(source, index=False)
    asked = inputs({"kind": "file", "url": str(source), "format": "csv", "options": {}})
    given = tmp_path / "inputs.json"
    given.write_text(json.dumps(asked))
    program = textwrap.dedent(f"""
        import json, pathlib
        from trueup.provider.component import Context
        from trueup.provider.table import Table
        said = lambda line: print(line, flush=True)
        asked = json.loads(pathlib.Path({str(given)!r}).read_text())
        Table().create(Context(pathlib.Path({str(context.home)!r}), {URN!r}, said), asked)
    """)
    for delay in (0.0, 0.05, 0.15):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            while not process.stdout.readline().startswith("checking"):
                assert process.poll() is None
            deadline = time.monotonic() + 60
            while (
                not (Path(path(context)) / "_delta_log").exists()
                and process.poll() is None
                and time.monotonic() < deadline
            ):
                time.sleep(0.002)
            time.sleep(delay)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        live = Table().read(context, URI, asked, {})
        assert live is None or live.outputs["rows"] == 400_000
    state = Table().create(context, asked)
    assert state.outputs["rows"] == 400_000 and state.outputs["version"] == 0
    assert DeltaTable(path(context)).count() == 400_000


def test_the_table_of_another_is_refused(context: Context, csv: Callable[..., Inputs], tmp_path: Path) -> None:
    first = csv("id,city,price\n1,Bern,2\n")
    write_deltalake(path(context), pa.table({"id": [1]}))
    with pytest.raises(ComponentError, match="exists and is not ours; import it"):
        Table().create(context, first)
    assert rows(context) == [{"id": 1}]


@pytest.mark.capability("data-operations/schema-management", by="trueup.provider.columns:logical_type")
def test_a_table_is_imported_with_the_columns_that_are_there(context: Context) -> None:
    write_deltalake(path(context), pa.table({"id": [1], "name": ["a"], "on": [True]}))
    live = Table().read(context, URI, {}, {})
    assert live is not None and live.outputs["rows"] == 1
    assert [(p["name"], p["logicalType"]) for p in live.inputs["properties"]] == [
        ("id", "integer"),
        ("name", "string"),
        ("on", "boolean"),
    ]


def test_a_table_is_deleted_with_its_versions(context: Context, csv: Callable[..., Inputs]) -> None:
    first = csv("id,city,price\n1,Bern,2\n")
    made = Table().create(context, first)
    Table().delete(context, made.id, first, made.outputs)
    assert not Path(path(context)).exists()
    Table().delete(context, made.id, first, made.outputs)


def test_a_damaged_log_is_told_and_not_taken_for_an_empty_table(context: Context, csv: Callable[..., Inputs]) -> None:
    first = csv("id,city,price\n1,Bern,2\n")
    made = Table().create(context, first)
    (Path(path(context)) / "_delta_log" / "00000000000000000000.json").write_text("{broken")
    with pytest.raises(ComponentError, match="cannot be read"):
        Table().read(context, made.id, first, made.outputs)


def test_every_error_of_the_inputs_is_told_at_once() -> None:
    bad = inputs(
        {"kind": "file", "url": "", "format": "xml"},
        uri="s3://bucket/table",
        pinnedVersion=-1,
        properties=[
            {"name": "a", "logicalType": "text"},
            {"name": "a", "logicalType": "string", "logicalTypeOptions": {"minimum": 1}},
            {"name": "b", "logicalType": "string", "logicalTypeOptions": {"pattern": "("}},
        ],
    )
    assert {f.path for f in Table().check(bad)} == {
        "source.url",
        "source.format",
        "uri",
        "pinnedVersion",
        "properties[0].logicalType",
        "properties[1].name",
        "properties[1].logicalTypeOptions",
        "properties[2].logicalTypeOptions.pattern",
    }
    assert Table().check({**bad, "uri": URI, "pinnedVersion": None, "source": UNKNOWN, "properties": UNKNOWN}) == []


def test_commits_say_whose_they_are_and_hold_no_credentials(context: Context, tmp_path: Path) -> None:
    source = write_source("sql", tmp_path / "sources")
    source["connection"] += "?timeout=4321"
    Table().create(context, inputs(source, sourceFingerprint="unknown"))
    commit = commits(DeltaTable(path(context)))[0]
    assert commit["trueup.urn"] == URN and commit["trueup.rows"] == "2"
    assert "4321" not in json.dumps(commit, default=str)


@pytest.fixture
def warehouse(tmp_path: Path) -> tuple[Path, Inputs]:
    """A database of orders, and a source that says by its newest id whether there are new ones."""
    source = write_source("sql", tmp_path / "sources")
    return tmp_path / "sources" / "orders.sql", {**source, "cursor": "SELECT max(id) FROM orders"}


def execute(database: Path, *statements: str) -> None:
    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_query_is_made_again_only_when_its_cursor_has_another_value(
    context: Context, warehouse: tuple[Path, Inputs]
) -> None:
    database, source = warehouse
    given = inputs(source, sourceFingerprint="unknown")
    state = Table().create(context, given)
    assert state.outputs["version"] == 0
    execute(database, "UPDATE orders SET price = 7")
    said.clear()
    same = Table().update(context, state.id, given, state.outputs, given)
    assert (same.outputs, rows(context)) == (state.outputs, ROWS), "the cursor is as it was, so nobody asked for rows"
    assert not any("reading" in line for line in said)
    execute(database, "INSERT INTO orders VALUES (9007199254740994, 'Bern', 2)")
    newer = Table().update(context, state.id, given, same.outputs, given)
    assert (newer.outputs["version"], newer.outputs["rows"]) == (1, 3)
    assert {r["price"] for r in rows(context)} == {7.0, 2.0}


def test_another_contract_or_an_edited_table_is_no_reason_to_trust_the_cursor(
    context: Context, warehouse: tuple[Path, Inputs]
) -> None:
    database, source = warehouse
    given = inputs(source, sourceFingerprint="cursor:1")
    state = Table().create(context, given)
    execute(database, "UPDATE orders SET price = 7 WHERE id = 2")
    asked = {**given, "properties": COLUMNS[:2]}
    narrower = Table().update(context, state.id, given, state.outputs, asked)
    assert narrower.outputs["version"] == 1
    write_deltalake(path(context), pa.table({"id": [1], "city": ["edited"]}), mode="overwrite", schema_mode="overwrite")
    healed = Table().update(context, state.id, asked, narrower.outputs, asked)
    assert healed.outputs["rows"] == 2 and healed.outputs["contentDigest"] == narrower.outputs["contentDigest"]


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        ("SELECT id FROM orders", "gives 2 rows"),
        ("SELECT 1, 2", "gives 2 columns"),
        ("SELECT max(nowhere) FROM orders", "The cursor of sqlite:///"),
    ],
)
def test_a_cursor_that_gives_no_single_value_is_an_error(
    context: Context, warehouse: tuple[Path, Inputs], cursor: str, expected: str
) -> None:
    with pytest.raises(ComponentError, match=expected):
        Table().create(context, inputs({**warehouse[1], "cursor": cursor}))
