"""Lock files: which packages an image holds, each with the hashes of its files. Called by `workspace/building.py`; reads bytes, no folder.

Three forms: a `requirements.txt` with `--hash` (of `uv pip compile --generate-hashes` or pip-tools), a `pylock.toml` (PEP 751), and a
`uv.lock` with the `pyproject.toml` beside it, which `uv export` turns into the first. What has no hash is refused: an index could give
another file under the same version tomorrow, and the build could not be repeated.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trueup.build import installer
from trueup.build.errors import BuildError

_NAME = re.compile(r"^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(.*)$")
_SHOWN = 5
HOW = "Write it anew with `uv pip compile --generate-hashes requirements.in -o {name}`, or `uv export --format requirements.txt -o {name}`."


@dataclass(frozen=True)
class Lock:
    """A lock file as `uv pip` takes it."""

    path: str
    digest: str
    """SHA-256 of the file as it is in Git, in hex."""
    file: str
    """How the file that is given to uv is called."""
    content: bytes
    names: frozenset[str]
    """The packages in it, in normal form."""


def normal(name: str) -> str:
    """The normal form of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path: str, data: bytes, beside: Mapping[str, bytes]) -> Lock:
    """The lock in a file; `beside` are the files of its folder by name, for `uv.lock`. Raises BuildError."""
    digest = hashlib.sha256(data).hexdigest()
    name = PurePosixPath(path).name
    try:
        text = data.decode("utf-8")
        if name == "uv.lock":
            text = _exported(path, data, beside)
            return Lock(path, digest, "requirements.txt", text.encode(), _requirements(path, text))
        if name.endswith(".toml"):
            return Lock(path, digest, "pylock.toml", data, _pylock(path, tomllib.loads(text)))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BuildError(f"The lock file {path} cannot be read: {error}.") from None
    return Lock(path, digest, "requirements.txt", data, _requirements(path, text))


def _requirements(path: str, text: str) -> frozenset[str]:
    """The names in a requirements file, if each has a hash."""
    names, bare = set(), []
    for line in _lines(text):
        if line.startswith("-"):
            _option(path, line)
            continue
        found = _NAME.match(line)
        if found is None:
            raise BuildError(
                f"The lock file {path} has a line that names no package: {line[:80]!r}. {HOW.format(name=path)}"
            )
        names.add(normal(found[1]))
        if "--hash=" not in line:
            bare.append(found[1])
    _all_hashed(path, bare)
    return frozenset(names)


def _option(path: str, line: str) -> None:
    if re.match(r"^(-r|--requirement|-c|--constraint|-e|--editable)\b", line):
        raise BuildError(
            f"The lock file {path} leads to others ({line[:60]!r}), which have no hash here: it has to hold every package itself. "
            + HOW.format(name=path)
        )


def _lines(text: str) -> Iterable[str]:
    """Lines with their continuations, without comments."""
    joined = re.sub(r"\\\r?\n", " ", re.sub(r"(?m)(^|\s)#.*$", "", text))
    return (line.strip() for line in joined.splitlines() if line.strip())


def _pylock(path: str, found: dict[str, Any]) -> frozenset[str]:
    names, bare, local = set(), [], []
    for package in found.get("packages") or ():
        name = str(package.get("name"))
        names.add(normal(name))
        files = [*(package.get("wheels") or ()), *([package["archive"]] if "archive" in package else ())]
        if "directory" in package or "vcs" in package:
            local.append(name)
        elif any("sha256" not in (f.get("hashes") or {}) for f in files):
            bare.append(name)
    if local:
        raise BuildError(
            f"The lock file {path} takes {_some(local)} from a folder or a repository, which would have to be built: put a wheel of it "
            "into an index, and lock that."
        )
    if not names:
        raise BuildError(f"The lock file {path} names no package, or is no pylock.toml (PEP 751).")
    _all_hashed(path, bare)
    return frozenset(names)


def _all_hashed(path: str, bare: list[str]) -> None:
    if bare:
        raise BuildError(
            f"The lock file {path} has no hashes for {_some(bare)}: an index could give another file tomorrow. {HOW.format(name=path)}"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _exported(path: str, data: bytes, beside: Mapping[str, bytes]) -> str:
    """What `uv.lock` holds for its project, without the project itself and its development tools."""
    if "pyproject.toml" not in beside:
        raise BuildError(
            f"The lock file {path} needs its project's pyproject.toml beside it, and the commit has none there."
        )
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"uv.lock": data, "pyproject.toml": beside["pyproject.toml"]}.items():
            (Path(folder) / name).write_bytes(content)
        options = ("--frozen", "--no-dev", "--no-emit-project", "--no-header", "--format", "requirements.txt")
        return installer.uv(
            "export", *options, "--project", folder, folder=Path(folder), what=f"The lock file {path} cannot be read"
        )
