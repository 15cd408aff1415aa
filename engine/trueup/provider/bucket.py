"""`trueup:data:Bucket`: an object store on one machine, which is a folder. Called by `server` and `observe`.

The folder is stamped with its owner's URN in a manifest. Objects are plain files, so that any program may write them; that is why
versions of an object are not kept: whoever overwrites a file overwrites it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from trueup import places
from trueup.provider import inputs as fields
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State

MANIFEST = ".trueup-bucket.json"


class Bucket:
    """A folder with a manifest. A change of `uri` moves the folder, so that renaming keeps the objects."""

    token: ClassVar[str] = "trueup:data:Bucket"
    replace_on: ClassVar[frozenset[str]] = frozenset()
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        found = [*fields.place(inputs, "uri"), *fields.flag(inputs, "versioning"), *fields.flag(inputs, "forceDestroy")]
        uri = inputs.get("uri")
        if not found and uri != UNKNOWN and "://" in str(uri):
            found.append(
                Failure("uri", f"A bucket of the local target is a folder; `uri` is {fields.unsecret(str(uri))!r}.")
            )
        return found

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The place, and the number of objects, which no update changes."""
        known = {"uri": inputs["uri"]} if inputs.get("uri") != UNKNOWN else {}
        return {**known, "objects": old.outputs.get("objects", 0) if old else 0}

    def create(self, context: Context, inputs: Properties) -> State:
        """Makes the folder, or adopts the one that is ours already. Refuses a folder that is another's or holds unknown files."""
        folder = self._folder(context, inputs["uri"])
        owner = read_manifest(folder).get("urn")
        if owner not in (None, context.urn):
            raise ComponentError(f"The folder {folder} is the bucket of {owner}; give this bucket another `uri`.")
        if owner is None and folder.exists() and any(objects(folder)):
            raise ComponentError(
                f"The folder {folder} exists, holds files and is no bucket of ours; import it with the id {inputs['uri']!r}, "
                "move it away, or give this bucket another `uri`."
            )
        return self._write(context, inputs, inputs["uri"])

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """The folder as it is. A lost manifest shows as a difference, and an update writes it again."""
        uri = inputs.get("uri", id)
        folder = self._folder(context, uri)
        if not folder.is_dir():
            return None
        manifest = read_manifest(folder)
        live = {**inputs, "uri": uri}
        for name in ("versioning", "forceDestroy"):
            if name in manifest:
                live[name] = manifest[name]
            else:
                live.pop(name, None)
        return Live(live, {"uri": uri, "objects": count(folder)})

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Moves the folder where its place changed, and writes the manifest."""
        old, new = self._folder(context, old_inputs.get("uri", id)), self._folder(context, inputs["uri"])
        if old != new and old.is_dir() and not (new.is_dir() and read_manifest(new).get("urn") == context.urn):
            if new.exists():
                raise ComponentError(f"The bucket {old} cannot move to {new}, which exists; remove that first.")
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(old, new)
        return self._write(context, inputs, id)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Removes the folder; one that holds objects only with `forceDestroy`."""
        folder = self._folder(context, inputs.get("uri", id))
        if not folder.exists():
            return
        held = count(folder)
        if held and not inputs.get("forceDestroy"):
            raise ComponentError(
                f"The bucket {folder} holds {held} object{'s' * (held != 1)} and is not deleted; "
                "remove them, or set `forceDestroy: true` and apply that first."
            )
        shutil.rmtree(folder)

    def _folder(self, context: Context, uri: str) -> Path:
        try:
            return Path(places.resolve(context.home, uri))
        except ValueError as error:
            raise ComponentError(f"The bucket's place is refused: {error}.") from error

    def _write(self, context: Context, inputs: Properties, id: str) -> State:
        folder = self._folder(context, inputs["uri"])
        manifest: Properties = {
            "urn": context.urn,
            **{k: inputs[k] for k in ("versioning", "forceDestroy") if k in inputs},
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fresh = folder / (MANIFEST + ".new")
            fresh.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            fresh.replace(folder / MANIFEST)
        except OSError as error:
            raise ComponentError(f"The bucket {folder} cannot be written: {error.strerror}.") from error
        return State(id, {"uri": inputs["uri"], "objects": count(folder)})


def objects(folder: Path) -> Iterator[Path]:
    """Every file of a bucket but the manifest."""
    for base, _folders, names in os.walk(folder):
        yield from (Path(base, n) for n in names if n not in (MANIFEST, MANIFEST + ".new") or Path(base) != folder)


def count(folder: Path) -> int:
    """How many objects a bucket holds."""
    return sum(1 for _ in objects(folder))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a bucket; empty where there is none, or none that can be read."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
