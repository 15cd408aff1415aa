"""Server-side apply: who owns which field, and when what others own is taken. Called by `server.py`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from kubernetes_stand_in.api import APPLY, JSON_PATCH, Api, ApiError, Object

FORCE, MANAGER = "pulumi.com/patchForce", "pulumi.com/patchFieldManager"
TAKEN = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)
"""Managers, by the beginning of their names, whose fields an update takes over before it applies."""
OWN = ("pulumi-kubernetes", "pulumi-resource-kubernetes")


def apply(api: Api, thing: Object, name: str, manager: str, live: Object | None, preview: bool) -> Object:
    """Applies an object; what it is afterwards, or would be in a preview. Raises ApiError, with words for a conflict."""
    if live is not None and not preview:
        live = take_over(api, live, manager)
    query: dict[str, Any] = {"fieldManager": manager, "force": str(forced(thing, live, preview)).lower()}
    if live is None:
        query["fieldValidation"] = "Warn"
    if preview:
        query["dryRun"] = "All"
    try:
        return api.patch(thing, name, thing, APPLY, query)
    except ApiError as error:
        if error.reason != "Conflict":
            raise
        raise ApiError(
            error.code,
            error.reason,
            "Server-Side Apply field conflict detected.\n"
            f'The resource managed by field manager "{manager}" had an apply conflict: {error}',
        ) from None


def forced(thing: Object, live: Object | None, preview: bool) -> bool:
    """Whether conflicts are overcome."""
    if annotations(thing).get(FORCE) == "true":
        return True
    if (said := os.environ.get("PULUMI_K8S_ENABLE_PATCH_FORCE")) is not None:
        return said == "true"
    if not preview:
        return False
    entries = (live or {}).get("metadata", {}).get("managedFields") or ()
    return live is None or any(e["operation"] == "Update" and e["manager"] in OWN for e in entries)


def take_over(api: Api, live: Object, manager: str) -> Object:
    """Makes the manager the owner of what kubectl and client-side applies own; the live object afterwards."""
    entries = live["metadata"].get("managedFields") or []
    taken = [e for e in entries if not e.get("subresource") and _taken(e)]
    if not taken:
        return live
    own = next((e for e in entries if e["manager"] == manager and e["operation"] == "Apply"), None)
    fields = merged(*(e["fieldsV1"] for e in ([own] if own else []) + taken))
    kept = [e for e in entries if e not in taken and e is not own]
    mine = {**(own or taken[0]), "manager": manager, "operation": "Apply", "fieldsV1": fields}
    body = [{"op": "replace", "path": "/metadata/managedFields", "value": [*kept, mine]}]
    return api.patch(live, live["metadata"]["name"], body, JSON_PATCH)


def _taken(entry: Mapping[str, Any]) -> bool:
    return any(entry["manager"].startswith(n) and entry["operation"] == o for n, o in TAKEN)


def merged(*trees: Mapping[str, Any]) -> Object:
    """The union of field trees."""
    found: Object = {}
    for tree in trees:
        for name, below in tree.items():
            found[name] = merged(found.get(name, {}), below)
    return found


def annotations(thing: Object) -> Mapping[str, str]:
    """The annotations of an object; none of one whose metadata is not known yet."""
    metadata = thing.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}
