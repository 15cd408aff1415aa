"""Where Trueup keeps things outside the checkout. Used by every stage that touches the world.

`TRUEUP_HOME` moves everything; by default the XDG folders hold it: state (Pulumi's state, tables, registry, runs, servers)
under `~/.local/state/trueup/<workspace>-<clone>/`, and what can be rebuilt (CLI, parsed files, environments) under
`~/.cache/trueup/`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

SCHEME = "home:"
"""Property values such as `home:dev/tables/churn/customers` are relative to the workspace's home, so that a plan means the same on
every machine."""


def cache() -> Path:
    """The folder of what can be rebuilt."""
    if root := os.environ.get("TRUEUP_HOME"):
        return Path(root) / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trueup"


def home(workspace: str, folder: Path) -> Path:
    """The home of a workspace's clone: `folder` is the absolute folder of its `trueup.yaml`."""
    clone = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    if root := os.environ.get("TRUEUP_HOME"):
        base = Path(root) / "state"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "trueup"
    return base / f"{workspace}-{clone}"


def resolve(home_folder: Path, uri: str) -> str:
    """An absolute path for a `home:` URI; anything else as it is. Raises ValueError for a path that leaves the home."""
    if not uri.startswith(SCHEME):
        return uri
    path = (home_folder / uri.removeprefix(SCHEME)).resolve()
    if not path.is_relative_to(home_folder.resolve()):
        raise ValueError(f"{uri!r} leaves the workspace's home {home_folder}")
    return str(path)
