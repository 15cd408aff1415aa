"""What an image says of where it comes from: its labels, and the provenance beside it. Called by `building`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version as version_of
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from trueup.build import assembly, provenance
from trueup.build.assembly import Recipe
from trueup.build.bases import Base
from trueup.build.layers import Layer
from trueup.build.packages import Packages
from trueup.build.provenance import Material
from trueup.load import git
from trueup.workspace.gathering import Asked, Gathered
from trueup.workspace.opening import Workspace


def labels(gathered: Gathered, base: Base, asked: Asked) -> dict[str, str]:
    """Those of the image specification. Only what is the same on every machine that builds the same: no remote, no user, no host."""
    recipe, source = gathered.recipe, gathered.source
    found = {
        "created": assembly.moment(source.created),
        "title": recipe.name,
        "description": f"{recipe.kind} {recipe.name}: {recipe.content}",
        "revision": f"{source.commit}{'-dirty' if source.dirty else ''}",
    }
    if model := model_of(recipe):
        found["version"] = model[1]
    if base.digest:
        found["base.digest"] = base.digest
        if base.reference is not None and base.reference.place is None:
            found["base.name"] = base.reference.repository
    return {**{f"org.opencontainers.image.{k}": v for k, v in found.items()}, **asked.labels}


def model_of(recipe: Recipe) -> tuple[str, str] | None:
    """The registered name and the version of the model in it."""
    name, _, version = recipe.environment.get("MODEL_URI", "").removeprefix("models:/").rpartition("/")
    return (name, version) if name else None


def origin(
    workspace: Workspace, asked: Asked, gathered: Gathered, base: Base, ours: Packages | None, content: Layer
) -> dict[str, Any]:
    """The predicate of the provenance."""
    parameters = {
        "workspace": workspace.name,
        "environment": asked.environment,
        "document": str(gathered.document.key),
        "platform": asked.platform,
        "base": base.name,
        "lock": gathered.lock.path,
        "labels": dict(asked.labels),
        "dirty": gathered.source.dirty,
    }
    materials = [*_read(workspace, gathered, base)]
    if ours is not None:
        materials.append(
            Material(f"pkg:pypi/trueup@{version_of('trueup')}", {"sha256": _hex(ours.layer.diff_id)}, "trueup")
        )
    if model_of(gathered.recipe):
        uri = gathered.recipe.environment["MODEL_URI"]
        materials.append(Material(uri, {"sha256": _hex(content.diff_id)}, "model"))
    return provenance.provenance(parameters, materials, version_of("trueup"))


def _read(workspace: Workspace, gathered: Gathered, base: Base) -> Iterator[Material]:
    source = gathered.source
    remote = git.attempt(workspace.repository, "config", "--get", "remote.origin.url").stdout.decode().strip()
    commit = {"gitCommit": source.commit, **({"gitTree": source.tree.oid} if source.dirty else {})}
    yield Material(f"git+{_public(remote)}" if remote else f"git:{workspace.name}", commit, "specs and code")
    yield Material(gathered.lock.path, {"sha256": gathered.lock.digest}, "lock file")
    if base.digest:
        yield Material(base.name.partition("@")[0], {"sha256": _hex(base.digest)}, "base image")


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _public(url: str) -> str:
    """A remote's address without a user or a password in it."""
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
