"""Creations that have begun, in files beside what they make. Written by `server` before each, read by `apply/recovery.py`.

Pulumi records a creation before it begins and after it ended. Where the provider dies in between and Pulumi outlives it by a moment, Pulumi
takes the creation for failed and forgets it, though the thing may be there. What is here and in no state was made, or half made, so.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trueup.provider.component import Properties


@dataclass(frozen=True, slots=True)
class Creation:
    """A creation that began. Secrets in `inputs` are masked (`wire.MASK`)."""

    urn: str
    inputs: Properties
    path: Path


@contextmanager
def creation(home: Path, urn: str, inputs: Properties) -> Iterator[None]:
    """Notes the creation before the block; one that fails is over, one that succeeds stays until the state has it (`drop`)."""
    path = _folder(home, *urn.split("::")[:2]) / f"{hashlib.sha256(urn.encode()).hexdigest()[:32]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    scratch.write_text(json.dumps({"urn": urn, "inputs": inputs}), encoding="utf-8")
    scratch.replace(path)
    try:
        yield
    except Exception:
        path.unlink(missing_ok=True)
        raise


def left(home: Path, project: str, stack: str) -> list[Creation]:
    """The creations of a stack that began and that nobody has dropped, oldest first."""
    found = []
    for path in _folder(home, f"urn:pulumi:{stack}", project).glob("*.json"):
        raw = json.loads(path.read_text(encoding="utf-8"))
        found.append((path.stat().st_mtime_ns, Creation(raw["urn"], raw["inputs"], path)))
    return [c for _, c in sorted(found, key=lambda f: f[0])]


def drop(creation: Creation) -> None:
    """Forgets a creation: the state has it, or it has been settled."""
    creation.path.unlink(missing_ok=True)


def _folder(home: Path, stack_part: str, project: str) -> Path:
    return home / "creations" / project / stack_part.removeprefix("urn:pulumi:")
