"""Workspaces: the folder with `trueup.yaml`, its name, and which of its files are specs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from trueup.load import git

FILE = "trueup.yaml"
_EVERY = ("**/*.yaml", "**/*.yml")


class Settings(NamedTuple):
    """What `trueup.yaml` says, as far as reading needs it; the document itself is validated like any other."""

    name: str
    namespace: str = "default"
    include: tuple[str, ...] = _EVERY
    exclude: tuple[str, ...] = ()


def find(folder: Path) -> Path | None:
    """The absolute folder of the workspace that `folder` is in."""
    start = folder.resolve()
    return next((f for f in (start, *start.parents) if (f / FILE).is_file()), None)


def repository_of(folder: Path) -> Path | None:
    """The top of the Git repository that `folder` is in; None where it is in none."""
    done = git.attempt(folder, "rev-parse", "--show-toplevel")
    return Path(done.stdout.decode().strip()).resolve() if done.returncode == 0 and done.stdout.strip() else None


def name_of(folder: Path) -> str:
    """The workspace's name, as its `trueup.yaml` says; the folder's name where it cannot be read."""
    try:
        data = (folder / FILE).read_bytes()
    except OSError:
        return folder.name
    return settings_of(data, folder.name).name


def settings_of(data: bytes, fallback: str) -> Settings:
    """The settings in the bytes of a `trueup.yaml`; defaults for whatever is not as it should be."""
    from trueup.load.yaml import read

    values = read(FILE, data).values
    document = next((v for v in values if isinstance(v, dict) and v.get("kind") == "Workspace"), {})
    metadata, spec = _map(document.get("metadata")), _map(document.get("spec"))
    name, namespace = metadata.get("name"), spec.get("defaultNamespace")
    return Settings(
        name if isinstance(name, str) and name else fallback,
        namespace if isinstance(namespace, str) else "default",
        _texts(spec.get("include")) or _EVERY,
        _texts(spec.get("exclude")),
    )


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def chosen(paths: Iterable[str], settings: Settings) -> list[str]:
    """The paths that are specs, sorted."""
    include, exclude = (tuple(map(_matcher, patterns)) for patterns in (settings.include, settings.exclude))
    default = settings.include == _EVERY
    return sorted(
        p
        for p in paths
        if (p.endswith((".yaml", ".yml")) if default else any(m(p) for m in include))
        and not any(m(p) for m in exclude)
        and not (p.startswith(".") or "/." in p)
    )


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> Any:
    """A glob as gitignore means it: `*` within a folder, `**` over folders, a name without `/` anywhere, a folder with all in it."""
    import re

    anchored = "/" in pattern.rstrip("/")
    text, place = "", 0
    body = pattern.strip("/")
    while place < len(body):
        if body.startswith("**/", place):
            text, place = text + "(?:.*/)?", place + 3
        elif body.startswith("**", place):
            text, place = text + ".*", place + 2
        elif body[place] == "*":
            text, place = text + "[^/]*", place + 1
        elif body[place] == "?":
            text, place = text + "[^/]", place + 1
        else:
            text, place = text + re.escape(body[place]), place + 1
    return re.compile(("" if anchored else "(?:.*/)?") + text + "(?:/.*)?").fullmatch
