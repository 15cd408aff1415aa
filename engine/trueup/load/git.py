"""The door of `load` to Git: one process a question, batches where there are many. Never changes files, index or branches.

What is read may be a stranger's pull request: `INERT` is the one place that says what Git must not do while it reads or fetches.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Mapping
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


INERT = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "merge.renormalize=false"),
    *("-c", "submodule.recurse=false"),
    *("-c", "fetch.recurseSubmodules=false"),
    *("-c", "protocol.ext.allow=never"),
    *("-c", "gc.auto=0"),
)
"""No hook, monitor, submodule, program as a transport or clean-up is ever run. Nor is a filter or LFS: they belong to a checkout or to a
merge that renormalises, and neither is ever made."""

_TAKEN = ("cannot lock ref", "unable to update local ref", "shallow.lock")
_PAUSES = (0.1, 0.3, 1.0, 3.0)
"""Seconds between tries of what another process of Git has in hand."""

_ABSENT = "There is no `git` on PATH. Install Git: specs are read from it."


class GitError(Exception):
    """Git could not answer; the text is its own."""


def environment() -> dict[str, str]:
    """The variables for a git process: not those of a hook, and no prompt ever."""
    kept = {k: v for k, v in os.environ.items() if k not in _LOCAL}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}


def run(
    folder: Path,
    *arguments: str,
    stdin: bytes | None = None,
    codes: Iterable[int] = (0,),
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """The output of a git command in `folder`. Raises GitError for any other exit code than `codes`."""
    done = attempt(folder, *arguments, stdin=stdin, variables=variables)
    if done.returncode not in codes:
        raise GitError(done.stderr.decode("utf-8", "replace").strip() or f"git {arguments[0]} failed")
    return done.stdout


def attempt(
    folder: Path, *arguments: str, stdin: bytes | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """A git command, whatever it came to, with more `variables` than the usual. Raises GitError where there is no Git."""
    try:
        env = {**environment(), **(variables or {})}
        return subprocess.run(_command(folder, arguments), input=stdin, capture_output=True, env=env, check=False)
    except FileNotFoundError:
        raise GitError(_ABSENT) from None


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A git command that goes on beside this process; what it complains about is dropped. Raises GitError where there is no Git."""
    try:
        return subprocess.Popen(
            _command(folder, arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
    except FileNotFoundError:
        raise GitError(_ABSENT) from None


def several(folder: Path, questions: Iterable[Iterable[str]]) -> list[bytes]:
    """The outputs of git commands that look at the same time. Raises GitError where one fails."""
    asked = [tuple(question) for question in questions]
    processes = [started(folder, *question) for question in asked]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        return [run(folder, *question) for question in asked]  # asked again, for Git's own words
    return outputs


def _command(folder: Path, arguments: Iterable[str]) -> list[str]:
    return ["git", "-c", "core.quotepath=off", *INERT, "-C", str(folder), *arguments]


def fetch(folder: Path, remote: str, *refspecs: str, options: Iterable[str] = ()) -> None:
    """Gets objects of a remote, and nothing else: no tags, no submodules, no `FETCH_HEAD`, no branches of the remote that nobody asked for.

    Another fetch into the same clone may have the same ref in hand: then it is fetched again. Raises GitError with Git's own words.
    """
    quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
    asked = ("--refmap=",) if refspecs else ()
    for pause in (*_PAUSES, None):
        try:
            run(folder, "fetch", *quiet, *asked, *options, "--", remote, *refspecs)
            return
        except GitError as error:
            if pause is None or not any(words in str(error) for words in _TAKEN):
                raise
        time.sleep(pause)


def _batch(folder: Path, wanted: bytes) -> bytes:
    """What `git cat-file` says of objects: asked by a file, since a pipe to ask and a pipe to answer take turns thousands of times."""
    import tempfile

    command = ["git", "-C", str(folder), "cat-file", "--batch", "--buffer"]
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as errors:
        asked.write(wanted)
        asked.seek(0)
        try:
            process = subprocess.Popen(command, stdin=asked, stdout=subprocess.PIPE, stderr=errors, env=environment())
        except FileNotFoundError:
            raise GitError(_ABSENT) from None
        with process:
            assert process.stdout is not None
            output = process.stdout.read()
        if process.returncode:
            errors.seek(0)
            raise GitError(errors.read().decode("utf-8", "replace").strip() or "git cat-file failed")
    return output


def blobs(folder: Path, ids: Iterable[str]) -> dict[str, bytes]:
    """The contents of objects by id, read by one process. Raises GitError where one is missing."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    output = _batch(folder, "".join(f"{i}\n" for i in wanted).encode())
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
