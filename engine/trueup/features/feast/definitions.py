"""Definitions of entities, views and services: from a resource's inputs to Feast's objects, and back. Imported late.

What Feast has no field for (whose it is, which table version a view reads, what is in the online store) stands in tags `trueup.*`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast import types as feast_types

TYPES: dict[str, Any] = {
    "string": feast_types.String,
    "int64": feast_types.Int64,
    "float64": feast_types.Float64,
    "bool": feast_types.Bool,
    "timestamp": feast_types.UnixTimestamp,
}
VALUE_TYPES = {"string": ValueType.STRING, "int64": ValueType.INT64}
URN, TABLE, EXPORT, ONLINE, ROWS, UNTIL, PARTS, ENTITIES = (
    f"trueup.{n}" for n in ("urn", "table", "export", "materialized", "rows", "until", "features", "entities")
)
OURS = "trueup."


def entity(inputs: Mapping[str, Any], urn: str) -> Entity:
    """An entity of Feast."""
    return Entity(
        name=inputs["name"],
        join_keys=[inputs["joinKey"]],
        value_type=VALUE_TYPES[inputs["valueType"]],
        description=inputs.get("description") or "",
        owner=inputs.get("owner") or "",
        tags={**{str(t): "" for t in inputs.get("tags") or ()}, URN: urn},
    )


def of_entity(found: Entity) -> dict[str, Any]:
    """An entity as inputs have it."""
    return {
        "inputs": {
            "name": found.name,
            "joinKey": found.join_key,
            "valueType": _name(VALUE_TYPES, found.value_type),
            "tags": sorted(t for t in found.tags if not t.startswith(OURS)),
            "description": found.description,
            "owner": found.owner,
        },
        "urn": found.tags.get(URN, ""),
    }


def view(inputs: Mapping[str, Any], urn: str, entities: Sequence[Entity], export: Mapping[str, Any]) -> FeatureView:
    """A feature view of Feast over an exported table version (`exports.Export.described`)."""
    keys = [Field(name=e.join_key, dtype=TYPES[_name(VALUE_TYPES, e.value_type)]) for e in entities]
    features = [
        Field(name=f["name"], dtype=TYPES[f["type"]], description=f.get("description") or "")
        for f in inputs["features"]
    ]
    return FeatureView(
        name=inputs["name"],
        entities=list(entities),
        schema=[*keys, *features],
        source=FileSource(
            name=inputs["name"],
            path=export["path"],
            timestamp_field=inputs["timestampField"],
            created_timestamp_column=inputs.get("createdTimestampColumn") or "",
        ),
        ttl=timedelta(seconds=inputs.get("ttlSeconds") or 0),
        online=bool(inputs.get("online")),
        description=inputs.get("description") or "",
        owner=inputs.get("owner") or "",
        tags={
            URN: urn,
            TABLE: json.dumps({"uri": inputs["table"]["uri"], "version": int(inputs["table"]["version"])}),
            EXPORT: export["path"],
            ROWS: str(export["rows"]),
            UNTIL: export["until"] or "",
            ENTITIES: str(export["entities"]),
        },
    )


def of_view(found: FeatureView) -> dict[str, Any]:
    """A view as inputs have it, with what was exported and materialised."""
    source, seconds = found.batch_source, found.ttl.total_seconds() if found.ttl else 0
    inputs: dict[str, Any] = {
        "name": found.name,
        "entities": list(found.entities),
        "table": _json(found.tags.get(TABLE)) or {"uri": source.path if source else "", "version": -1},
        "timestampField": source.timestamp_field if source else "",
        "features": [
            {"name": f.name, "type": _name(TYPES, f.dtype), "description": f.description} for f in found.features
        ],
        "online": found.online,
        "description": found.description,
        "owner": found.owner,
    }
    if source and source.created_timestamp_column:
        inputs["createdTimestampColumn"] = source.created_timestamp_column
    if seconds:
        inputs["ttlSeconds"] = int(seconds) if seconds == int(seconds) else seconds
    return {
        "inputs": inputs,
        "urn": found.tags.get(URN, ""),
        "source": source.path if source else "",
        "export": found.tags.get(EXPORT, ""),
        "materialized": found.tags.get(ONLINE, ""),
        "entities": int(found.tags.get(ENTITIES) or 0),
        "rows": int(found.tags.get(ROWS) or 0),
        "until": found.tags.get(UNTIL) or None,
        "joinKeys": list(found.join_keys),
    }


def service(inputs: Mapping[str, Any], urn: str, views: Mapping[str, FeatureView]) -> FeatureService:
    """A feature service of Feast, over views that are registered."""
    parts = [{"view": p["view"], "features": p.get("features")} for p in inputs["features"]]
    return FeatureService(
        name=inputs["name"],
        features=[views[p["view"]] if p["features"] is None else views[p["view"]][list(p["features"])] for p in parts],
        description=inputs.get("description") or "",
        owner=inputs.get("owner") or "",
        tags={URN: urn, PARTS: json.dumps(parts)},
    )


def of_service(found: FeatureService, views: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A service as inputs have it. A part that was declared as all features of its view stays so while it has them all."""
    declared = {p["view"]: p["features"] for p in _json(found.tags.get(PARTS)) or ()}
    parts, names, keys = [], [], []
    for projection in found.feature_view_projections:
        there = [f.name for f in projection.features]
        known = views.get(projection.name, {"inputs": {"features": []}, "joinKeys": []})
        every = [f["name"] for f in known["inputs"]["features"]]
        whole = declared.get(projection.name, ()) is None and sorted(there) == sorted(every)
        wanted = declared.get(projection.name)
        listed = wanted if wanted is not None and sorted(wanted) == sorted(there) else there
        parts.append({"view": projection.name, **({} if whole else {"features": listed})})
        names += [f"{projection.name}__{n}" for n in (every if whole else listed)]
        keys += [k for k in known["joinKeys"] if k not in keys]
    return {
        "inputs": {"name": found.name, "features": parts, "description": found.description, "owner": found.owner},
        "urn": found.tags.get(URN, ""),
        "features": names,
        "joinKeys": keys,
    }


def declared(found: FeatureService) -> dict[str, Any] | None:
    """The inputs that a service of ours was registered with; None for a foreign one."""
    parts = _json(found.tags.get(PARTS))
    return (
        None
        if parts is None
        else {"name": found.name, "features": parts, "description": found.description, "owner": found.owner}
    )


def _name(names: Mapping[str, Any], value: Any) -> str:
    """Our name of a type of Feast's; its own name where we have none, so that it shows as drift."""
    return next((n for n, v in names.items() if v == value), str(value).lower())


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
