"""What an apply would make of live things, as text and JSON. Sees values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueup.plan.comparisons import CHANGE, CREATE, DELETE, KEEP, SAME, UNKNOWN, Difference
from trueup.plan.values import ABSENT
from trueup.views.clusters import ONE, Clusters, cluster, on
from trueup.views.words import plural, worded

_SIGNS: Mapping[str, str] = {CREATE: "+", CHANGE: "~", DELETE: "-", KEEP: "=", UNKNOWN: "?"}
_SAID: Mapping[str, str] = {
    CREATE: "is not there",
    DELETE: "no document says it any more",
    KEEP: "no document says it any more, and it stays",
}


def text(environment: str, found: Sequence[Difference], clusters: Clusters = ONE) -> str:
    """Each object that differs, with its fields: as they are, and as the specs say. `clusters` are the names of several, by what the names
    of their stacks end with."""
    told = [d for d in found if d.what != SAME]
    same = len(found) - len(told)
    kept = f"{same} {'is' if same == 1 else 'are'} as the specs say"
    if not told:
        return f"Nothing differs: of {plural(len(found), 'object')} of {environment}, {kept}.\n"
    lines = [line for difference in told for line in _lines(difference, clusters)]
    lines.append(f"{plural(len(told), 'object')} of {environment} differ{'s' if len(told) == 1 else ''}, {kept}.")
    return "\n".join(lines) + "\n"


def _lines(difference: Difference, clusters: Clusters) -> Iterable[str]:
    address = difference.address
    said = difference.detail.splitlines()[0] if difference.detail else _SAID.get(difference.what, "")
    whose = f"  ({difference.origin})" if difference.origin else ""
    sign, where = _SIGNS.get(difference.what, "!"), on(address, clusters)
    yield f"{sign} {address.stack}  {address.type} {address.name}{where}{whose}{': ' if said else ''}{said}"
    for change in difference.changes if difference.what == CHANGE else ():
        match (change.recorded == ABSENT, change.desired == ABSENT):
            case (True, _):
                yield f"    + {change.path}: {worded(change.desired)}"
            case (_, True):
                yield f"    - {change.path}: {worded(change.recorded)}"
            case _:
                yield f"    ~ {change.path}: {worded(change.recorded)} → {worded(change.desired)}"


def as_json(environment: str, found: Iterable[Difference], clusters: Clusters = ONE) -> dict[str, Any]:
    """The same for machines, with what is the same."""
    return {
        "environment": environment,
        "objects": [
            {
                "resource": str(d.address),
                "cluster": cluster(d.address, clusters),
                "document": d.origin,
                "what": d.what,
                "detail": d.detail,
                "changes": [{"path": c.path, "live": c.recorded, "desired": c.desired} for c in d.changes],
            }
            for d in found
        ],
    }
