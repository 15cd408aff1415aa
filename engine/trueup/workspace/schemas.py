"""The JSON Schemas of the language, for `trueup schema`. Delegates; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trueup.exits import NOTHING_SELECTED
from trueup.workspace.opening import WorkspaceError
from trueup_specs.core import schemas
from trueup_specs.core.diagnostics import nearest
from trueup_specs.kinds import KINDS


def schema(kind: str = "") -> Any:
    """The schema of a kind, or of all kinds in one. Raises WorkspaceError for a kind that there is not."""
    if not kind:
        return schemas.bundle()
    known = {name.lower(): name for name in KINDS}
    if kind.lower() not in known:
        close = nearest(kind, KINDS)
        hint = f" Did you mean {close}?" if close else f" The kinds are: {', '.join(sorted(KINDS))}."
        raise WorkspaceError(f"There is no kind {kind!r}.{hint}", NOTHING_SELECTED)
    return schemas.schema(known[kind.lower()])


def write(folder: Path) -> int:
    """Writes every schema into a folder; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    return schemas.write(folder)
