"""The journal of creations: one that fails is over, one that began stays until it is dropped, and no secret is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct

from trueup.provider import journal, wire

URN = "urn:pulumi:dev.churn.model::demo::trueup:data:Table::{}"
SECRET = {wire.SIGNATURE: wire.SECRET, "value": "hunter2"}


def begin(home: Path, name: str, inputs: Struct) -> None:
    with journal.creation(home, URN.format(name), wire.masked(inputs)):
        pass


def struct(**values: object) -> Struct:
    made = Struct()
    made.update(values)
    return made


def names(home: Path, stack: str = "dev.churn.model") -> list[str]:
    return [c.urn.rsplit("::", 1)[1] for c in journal.left(home, "demo", stack)]


def test_what_began_stays_in_its_order_until_it_is_dropped(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        begin(tmp_path, name, struct(rows=3, keys=["id"], share=0.5))
    assert names(tmp_path) == ["b", "a", "c"] and names(tmp_path, "prod.churn.model") == []
    first = journal.left(tmp_path, "demo", "dev.churn.model")[0]
    assert first.inputs == {"rows": 3, "keys": ["id"], "share": 0.5}
    journal.drop(first)
    journal.drop(first)
    assert names(tmp_path) == ["a", "c"]


def test_a_creation_that_fails_is_over(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no room"), journal.creation(tmp_path, URN.format("a"), {}):
        assert names(tmp_path) == ["a"]
        raise OSError("no room")
    assert names(tmp_path) == []


def test_secrets_are_masked_wherever_they_stand(tmp_path: Path) -> None:
    inputs = struct(uri="home:t", source={"url": SECRET, "options": [SECRET, {"key": SECRET, "format": "csv"}]})
    begin(tmp_path, "a", inputs)
    [found] = journal.left(tmp_path, "demo", "dev.churn.model")
    assert found.inputs == {
        "uri": "home:t",
        "source": {"url": wire.MASK, "options": [wire.MASK, {"key": wire.MASK, "format": "csv"}]},
    }
    assert "hunter2" not in found.path.read_text()
