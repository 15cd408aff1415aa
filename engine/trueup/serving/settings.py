"""What a service serves, as its processes read it: one private file for each revision, and the name of the active one.

Written by `deployments`, read by `server`, `watch` and `control`. A revision is named by a digest of all that changes how it answers, so
that the same inputs are the same revision and nothing restarts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trueup.serving import processes

DRAIN_SECONDS = 2.0
"""How long a process that ends lets idle connections send one more request, which it answers with `connection: close`."""


@dataclass(frozen=True, slots=True)
class Probe:
    """When a server counts as ready or as stuck; times in seconds."""

    initial_delay: float = 0
    period: float = 5
    timeout: float = 2
    failure_threshold: int = 3


@dataclass(frozen=True, slots=True)
class Revision:
    """A model version behind ports. `model_folder` holds an MLflow model; `features` is that of the inputs, its `repo` resolved."""

    name: str
    model_name: str
    model_version: int
    model_folder: str
    ports: tuple[int, ...]
    replicas: int = 1
    workers: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30
    grace: float = 30
    readiness: Probe = Probe()
    liveness: Probe = Probe()
    cpu_limit: float | None = None
    memory_limit: float | None = None
    features: Mapping[str, Any] | None = None
    log_mode: str = "none"
    log_percent: float = 100.0
    strategy: str = "rollingUpdate"

    @property
    def group(self) -> str:
        """The name of its processes' program."""
        answers = {k: v for k, v in asdict(self).items() if k not in ("strategy", "ports")}
        digest = hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()
        return f"v{self.model_version}-{digest[:10]}"


def save(folder: Path, revision: Revision) -> None:
    """Writes the file of a revision; only the user may read it, since `env` may hold secrets."""
    processes.write_private(folder / "revisions" / f"{revision.group}.json", asdict(revision))


def load(folder: Path, group: str) -> Revision:
    """A revision that was written. Raises OSError or ValueError where it is not there or is no revision."""
    found = json.loads((folder / "revisions" / f"{group}.json").read_text(encoding="utf-8"))
    try:
        readiness, liveness = Probe(**found.pop("readiness")), Probe(**found.pop("liveness"))
        return Revision(**{**found, "ports": tuple(found["ports"]), "readiness": readiness, "liveness": liveness})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The revision {group} in {folder} cannot be read: {error}.") from error


def activate(folder: Path, group: str) -> None:
    """From now on the processes of this group take the requests, and the others give up their ports when asked."""
    processes.write_private(folder / "run" / "active.json", {"group": group})


def active(folder: Path) -> str | None:
    """The group that takes the requests."""
    try:
        return str(json.loads((folder / "run" / "active.json").read_text(encoding="utf-8"))["group"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget_others(folder: Path, kept: set[str]) -> None:
    """Removes the files of revisions that are no more."""
    for path in (folder / "revisions").glob("*.json"):
        if path.stem not in kept:
            path.unlink(missing_ok=True)
