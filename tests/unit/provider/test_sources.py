"""Sources of rows: formats, options, and what each refuses."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueup.provider.component import ComponentError
from trueup.provider.sources import rows

INTEGER = {"name": "n", "logicalType": "integer"}


def file(path: Path, kind: str, **options: Any) -> dict[str, Any]:
    """A file source."""
    return {"kind": "file", "url": str(path), "format": kind, "options": options}


def records(source: dict[str, Any], columns: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """The rows with missing values as None."""
    frame = rows(source, Path("/"), columns or [])
    found: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return found


def test_csv_options_are_honoured(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('Ort;n;note\nKöln;1,5;a,b\n-;-;"x;y"\n'.encode("latin-1"))
    columns = [
        {"name": "Ort", "logicalType": "string"},
        {"name": "n", "logicalType": "number"},
        {"name": "note", "logicalType": "string"},
    ]
    found = records(file(path, "csv", delimiter=";", encoding="latin-1", nullValue="-", decimal=","), columns)
    assert found == [{"Ort": "Köln", "n": "1.5", "note": "a,b"}, {"Ort": None, "n": None, "note": "x;y"}]


def test_a_csv_file_without_a_header_has_the_columns_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,a\n2,b\n")
    columns = [INTEGER, {"name": "c", "logicalType": "string"}]
    assert records(file(path, "csv", header=False), columns) == [{"n": "1", "c": "a"}, {"n": "2", "c": "b"}]
    with pytest.raises(ComponentError, match="each row must have the 1 columns of the schema, and has 2"):
        rows(file(path, "csv", header=False), Path("/"), [INTEGER])


def test_a_byte_order_mark_and_compression_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n", encoding="utf-8-sig")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"n": 1}\n\n{"n": 9007199254740993}\n'))
    assert records(file(tmp_path / "a.csv", "csv")) == [{"n": "1"}]
    assert records(file(tmp_path / "a.jsonl.gz", "jsonl")) == [{"n": 1}, {"n": 9007199254740993}]


def test_parquet_integers_with_nulls_stay_integers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": pa.array([9007199254740993, None])}), tmp_path / "a.parquet")
    assert records(file(tmp_path / "a.parquet", "parquet")) == [{"n": 9007199254740993}, {"n": None}]


def test_sql_integers_with_nulls_stay_integers(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", [(9007199254740993,), (None,)])
    connection.close()
    source = {"kind": "sql", "connection": f"sqlite:///{tmp_path}/a.db", "query": "SELECT n FROM t"}
    assert records(source) == [{"n": 9007199254740993}, {"n": None}]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.csv", b"a,b\n1,2\n1,2,3,4\n", "is not csv"),
        ("a.csv", b"a,b\n1,2,3\n4,5,6\n", "rows have more fields than the 2 columns of its header"),
        ("a.csv", "a\n\xe4\n".encode("latin-1"), "is not csv"),
        ("a.csv", b"", "is not csv"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "line 2 is no JSON"),
        ("a.jsonl", b"[1]\n", "line 1 is no JSON object"),
        ("a.parquet", b"nothing", "is not parquet"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told(name: str, content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ComponentError, match=text):
        rows(file(tmp_path / name, name.partition(".")[2]), Path("/"))


def test_columns_of_one_name_and_broken_queries_are_told(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").close()
    (tmp_path / "a.db").touch()
    source = {"kind": "sql", "connection": f"sqlite:///{tmp_path}/a.db", "query": "SELECT 1 AS n, 2 AS n"}
    with pytest.raises(ComponentError, match="several columns named n"):
        rows(source, Path("/"))
    with pytest.raises(ComponentError, match=r"The query of sqlite:///.*a.db failed: no such table: nowhere"):
        rows({**source, "query": "SELECT * FROM nowhere"}, Path("/"))


def test_a_missing_sqlite_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match="is not there"):
        rows({"kind": "sql", "connection": f"sqlite:///{tmp_path}/a.db", "query": "SELECT 1"}, Path("/"))
    assert not (tmp_path / "a.db").exists()
