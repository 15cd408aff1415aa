"""A shop's tables and features in a home of its own, through the real components."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from trueup.provider.catalogue import component
from trueup.provider.component import Context, Live, State

PROJECT = "shop_dev"
USAGE = [
    # C1 is seen three times (two of the rows at one time: the one created last counts), C2 once, C3 never.
    {
        "customer": "C1",
        "at": "2026-01-01T00:00:00Z",
        "made": "2026-01-01T01:00:00Z",
        "visits": 1,
        "spent": 1.5,
        "city": "Bern",
    },
    {
        "customer": "C1",
        "at": "2026-01-05T00:00:00Z",
        "made": "2026-01-05T02:00:00Z",
        "visits": 5,
        "spent": None,
        "city": "Zürich",
    },
    {
        "customer": "C1",
        "at": "2026-01-05T00:00:00Z",
        "made": "2026-01-05T01:00:00Z",
        "visits": 4,
        "spent": 4.0,
        "city": "Bern",
    },
    {
        "customer": "C2",
        "at": "2026-01-03T00:00:00Z",
        "made": "2026-01-03T01:00:00Z",
        "visits": 9007199254740993,
        "spent": 2.0,
        "city": None,
    },
]
TYPES = {
    "customer": "string",
    "at": "timestamp",
    "made": "timestamp",
    "visits": "integer",
    "spent": "number",
    "city": "string",
}


@dataclass
class Shop:
    """What a test registers, and where."""

    home: Path
    offline: str = "duckdb"
    said: list[str] = field(default_factory=list)

    @property
    def place(self) -> dict[str, Any]:
        """The repository, as inputs name it."""
        return {"repo": "home:dev/features", "project": PROJECT, "store": {"offline": self.offline, "online": "sqlite"}}

    @property
    def repo(self) -> str:
        """The repository, resolved."""
        return str(self.home / "dev/features")

    def context(self, kind: str, name: str) -> Context:
        """The context of a resource."""
        return Context(self.home, f"urn:pulumi:dev-shop-data::shop::trueup:features:{kind}::{name}", self.said.append)

    def load(self, rows: list[dict[str, Any]] = USAGE, name: str = "usage") -> dict[str, Any]:
        """Loads rows into a table; `uri` and `version` of it."""
        path = self.home / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        inputs = {
            "uri": f"home:dev/tables/shop/{name}",
            "source": {"kind": "file", "url": str(path), "format": "jsonl", "options": {}},
            "sourceFingerprint": "git:1",
            "properties": [{"name": n, "logicalType": t} for n, t in TYPES.items()],
        }
        context = Context(self.home, f"urn:pulumi:dev-shop-data::shop::trueup:data:Table::{name}")
        outputs = component("trueup:data:Table").create(context, inputs).outputs
        return {"uri": inputs["uri"], "version": outputs["version"]}

    def entity(self, **more: Any) -> dict[str, Any]:
        """Inputs of the entity."""
        base = {"name": "shop__customer", "joinKey": "customer", "valueType": "string", "tags": ["people", "core"]}
        return {**self.place, **base, "description": "Who buys.", "owner": "data", **more}

    def view(self, table: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Inputs of the view."""
        return {
            **self.place,
            "name": "shop__usage",
            "entities": ["shop__customer"],
            "table": table,
            "timestampField": "at",
            "createdTimestampColumn": "made",
            "ttlSeconds": 10 * 86400,
            "features": [
                {"name": "visits", "type": "int64", "description": "In a month"},
                {"name": "spent", "type": "float64", "description": ""},
                {"name": "city", "type": "string", "description": ""},
            ],
            "online": True,
            "description": "",
            "owner": "data",
            **more,
        }

    def service(self, features: list[str] | None = None, **more: Any) -> dict[str, Any]:
        """Inputs of the service."""
        parts = [{"view": "shop__usage", "features": features}]
        return {**self.place, "name": "shop__churn", "features": parts, "description": "", "owner": "growth", **more}

    def create(self, kind: str, inputs: dict[str, Any]) -> State:
        """Creates a feature object."""
        return component(f"trueup:features:{kind}").create(self.context(kind, inputs["name"]), inputs)

    def update(self, kind: str, old: dict[str, Any], new: dict[str, Any]) -> State:
        """Updates a feature object."""
        id = f"{new['repo']}#{new['project']}/{new['name']}"
        return component(f"trueup:features:{kind}").update(self.context(kind, new["name"]), id, old, {}, new)

    def read(self, kind: str, inputs: dict[str, Any], id: str = "") -> Live | None:
        """Reads a feature object."""
        found = id or f"{inputs['repo']}#{inputs['project']}/{inputs['name']}"
        return component(f"trueup:features:{kind}").read(self.context(kind, "x"), found, inputs, {})

    def delete(self, kind: str, inputs: dict[str, Any]) -> None:
        """Deletes a feature object."""
        component(f"trueup:features:{kind}").delete(self.context(kind, "x"), "", inputs, {})

    def everything(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Registers an entity, a view and a service; their inputs."""
        entity, view, service = self.entity(), self.view(self.load()), self.service()
        for kind, inputs in (("Entity", entity), ("FeatureView", view), ("FeatureService", service)):
            self.create(kind, inputs)
        return entity, view, service


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with nothing registered."""
    return Shop(tmp_path / "home")


@pytest.fixture
def shops(tmp_path: Path) -> Callable[[str], Shop]:
    """A shop with an offline store of a kind."""
    return lambda offline: Shop(tmp_path / "home", offline)
