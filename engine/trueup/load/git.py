"""The door of `load` to Git: one process a question, batches where there are many. Never changes the repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

_LOCAL = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
)
"""Variables that Git sets for its hooks: with them, another repository or index would be read."""


class GitError(Exception):
    """Git could not answer; the text is its own."""


def environment() -> dict[str, str]:
    """The variables for a git process: not those of a hook, and no prompt ever."""
    kept = {k: v for k, v in os.environ.items() if k not in _LOCAL}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def run(folder: Path, *arguments: str, stdin: bytes | None = None, codes: Iterable[int] = (0,)) -> bytes:
    """The output of a git command in `folder`. Raises GitError for any other exit code than `codes`."""
    done = attempt(folder, *arguments, stdin=stdin)
    if done.returncode not in codes:
        raise GitError(done.stderr.decode("utf-8", "replace").strip() or f"git {arguments[0]} failed")
    return done.stdout


def attempt(folder: Path, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """A git command, whatever it came to. Raises GitError where there is no Git."""
    command = ["git", "-c", "core.quotepath=off", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, input=stdin, capture_output=True, env=environment(), check=False)
    except FileNotFoundError:
        raise GitError("There is no `git` on PATH. Install Git: specs are read from it.") from None


def blobs(folder: Path, ids: Iterable[str]) -> dict[str, bytes]:
    """The contents of objects by id, read by one process. Raises GitError where one is missing."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    output = run(folder, "cat-file", "--batch", "--buffer", stdin="".join(f"{i}\n" for i in wanted).encode())
    found: dict[str, bytes] = {}
    place = 0
    for oid in wanted:
        end = output.index(b"\n", place)
        header = output[place:end].split()
        if header[-1] == b"missing":
            raise GitError(
                f"The object {oid} is not in this clone. Fetch it: `git fetch --unshallow`, or without a filter."
            )
        size = int(header[2])
        found[oid] = output[end + 1 : end + 1 + size]
        place = end + 2 + size
    return found
