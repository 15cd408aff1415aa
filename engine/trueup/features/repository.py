"""A Feast repository on disk: its places, its lock and a light index of what is registered. Used by the provider and by this package.

The index repeats the registry's definitions as plain values beside the digest of the registry file that they were read from. While
the digest holds, reading needs no Feast; any change of the registry, ours or another's, makes it read again through Feast.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGISTRY, ONLINE, INDEX, LOCK, DATA = "registry.db", "online.db", "index.json", "repository.lock", "data"
LOCK_SECONDS = 600.0
INDEX_FORMAT = 1

Definitions = dict[str, dict[str, dict[str, Any]]]
"""`entities`, `views`, `services` → name → definition as plain values (`feast.definitions`)."""


class FeatureError(Exception):
    """Features cannot be registered, joined or looked up. A full sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository: its folder, its Feast project, and its stores (`offline`: file or duckdb; `online`: sqlite)."""

    folder: Path
    project: str
    offline: str = "duckdb"
    online: str = "sqlite"

    @classmethod
    def of(cls, repo: str, project: str, store: Mapping[str, Any] | None) -> Repository:
        """The repository of a resolved path and the `store` property of a resource."""
        found = store or {}
        return cls(Path(repo), project, str(found.get("offline") or "duckdb"), str(found.get("online") or "sqlite"))

    @property
    def registry(self) -> Path:
        """The registry's file, as Feast writes it."""
        return self.folder / REGISTRY

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time, over threads and processes: Feast rewrites the whole registry file for every change."""
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / LOCK, timeout=LOCK_SECONDS):
                yield
        except Timeout:
            raise FeatureError(
                f"The feature repository {self.folder} is locked by another process for {LOCK_SECONDS:.0f} s; "
                "look what holds it, and apply again."
            ) from None

    def definitions(self) -> Definitions:
        """Everything that is registered; empty where nothing is. Imports Feast only where the registry changed since the last time."""
        digest = self.digest()
        if digest is None:
            return {"entities": {}, "views": {}, "services": {}}
        kept = self._kept(digest)
        if kept is not None:
            return kept
        with self.locked():
            return self.index()

    def index(self) -> Definitions:
        """Reads the registry through Feast and keeps what it says. The caller holds the lock."""
        from trueup.features.feast.registry import all_definitions

        digest, found = self.digest(), all_definitions(self)
        value = {"format": INDEX_FORMAT, "project": self.project, "digest": digest, "definitions": found}
        fresh = self.folder / (INDEX + ".new")
        fresh.write_text(json.dumps(value, indent=1, sort_keys=True), encoding="utf-8")
        fresh.replace(self.folder / INDEX)
        return found

    def digest(self) -> str | None:
        """The digest of the registry's file; None where there is none."""
        try:
            return hashlib.sha256(self.registry.read_bytes()).hexdigest()
        except FileNotFoundError:
            return None

    def _kept(self, digest: str) -> Definitions | None:
        try:
            value = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        expected = {"format": INDEX_FORMAT, "project": self.project, "digest": digest}
        if not isinstance(value, dict) or any(value.get(k) != v for k, v in expected.items()):
            return None
        found: Definitions = value["definitions"]
        return found
