"""An image from a base, layers and what it runs. Called by `workspace/building.py`; its documents are put into the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trueup.build.bases import Base
from trueup.build.images import CONFIG, MANIFEST, Image, digest_of, manifest_json, read_image
from trueup.build.layers import Item, Layer
from trueup.build.packages import VENV
from trueup.build.store import Store
from trueup_specs.core.fingerprints import canonical

USER = 65532
"""Not root, and above 10000 so that no user of a node has it: the same that the target `kubernetes` runs pods as."""
FILE_TIME = 315_532_800
"""1980-01-01, the time of every file. Not the commit's, so that an unchanged layer is the same blob in the next commit's image, and neither
registry nor node moves it again; the image's `created` is the commit's."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OURS = "org.opencontainers.image."


@dataclass(frozen=True)
class Recipe:
    """What an image is for, beside its packages."""

    kind: str
    name: str
    items: tuple[Item, ...]
    """The code's or the model's files."""
    content: str
    """What those are, in words."""
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    folder: str = "/"
    needs: tuple[str, ...] = ()
    """Packages that its command imports."""


def moment(created: int) -> str:
    """A time as the image specification writes it (RFC 3339)."""
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def assemble(
    store: Store,
    base: Base,
    layers: Iterable[Layer],
    recipe: Recipe,
    platform: str,
    created: int,
    labels: Mapping[str, str],
) -> Image:
    """Writes configuration and manifest."""
    ours = tuple(layers)
    described = {
        **{k: v for k, v in (base.runtime.get("Labels") or {}).items() if not k.startswith(_OURS)},
        **labels,
    }
    system, _, machine = platform.partition("/")
    value: dict[str, Any] = {
        "created": moment(created),
        "architecture": machine,
        "os": system,
        "config": _runtime(base, recipe, described),
        "rootfs": {"type": "layers", "diff_ids": [*base.diff_ids, *(one.diff_id for one in ours)]},
        "history": _history(base, ours, created),
    }
    config = store.put(canonical({k: v for k, v in value.items() if v != []}), CONFIG)
    data = manifest_json(config, (*base.layers, *(one.blob for one in ours)), dict(labels))
    store.put(data, MANIFEST)
    found = read_image(data)
    assert found.manifest.digest == digest_of(data)
    return found


def _runtime(base: Base, recipe: Recipe, labels: Mapping[str, str]) -> dict[str, Any]:
    given = dict(v.partition("=")[::2] for v in base.runtime.get("Env") or ())
    given |= {
        "PATH": f"/{VENV}/bin:{given.get('PATH') or _PATH}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HOME": "/tmp",  # the only place that may be written to where the root file system is read-only
        **recipe.environment,
    }
    found: dict[str, Any] = {
        "User": f"{USER}:{USER}",
        "Env": [f"{k}={v}" for k, v in sorted(given.items())],
        "Entrypoint": list(recipe.entrypoint),
        "WorkingDir": recipe.folder,
        "Labels": dict(labels),
    }
    if recipe.command:
        found["Cmd"] = list(recipe.command)
    if recipe.port is not None:
        found["ExposedPorts"] = {f"{recipe.port}/tcp": {}}
    return found


def _history(base: Base, layers: tuple[Layer, ...], created: int) -> list[dict[str, Any]]:
    """The base's, if it fits its layers, and a line for each of ours."""
    before = list(base.config.get("history") or ())
    if sum(not h.get("empty_layer") for h in before) != len(base.layers):
        return []
    return [*before, *({"created": moment(created), "created_by": f"trueup build: {one.title}"} for one in layers)]
