"""Whether a workspace's files lie as the commit has them that is checked out: then their tree is the commit's, and none has to be listed.

Called by `cli/quick.py` for each validation, so Git is asked three things at once, by a process each, while the caller does something else.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from trueup.load import git


class Standing(NamedTuple):
    """Where a workspace lies, and the id of its tree in the commit that is checked out; empty where its files lie in another way."""

    repository: Path
    oid: str


class Asked:
    """Git being asked about the folder of a workspace."""

    def __init__(self, folder: Path) -> None:
        self._where = git.started(folder, "rev-parse", "--show-toplevel", "HEAD:./")
        self._changed = git.started(folder, "diff-index", "--quiet", "--ignore-submodules=dirty", "HEAD", "--", ".")
        self._unknown = git.started(folder, "ls-files", "-o", "--exclude-standard", "-z", "--", ".")

    def answer(self) -> Standing | None:
        """What Git says; None where the folder is in no repository."""
        where, changed, unknown = map(_said, (self._where, self._changed, self._unknown))
        top, *oids = where.stdout.decode("utf-8", "surrogateescape").split("\n")
        if not top:
            return None
        clean = where.returncode == changed.returncode == unknown.returncode == 0 and not unknown.stdout
        return Standing(Path(top).resolve(), oids[0] if clean and oids else "")


def _said(process: subprocess.Popen[bytes]) -> subprocess.CompletedProcess[bytes]:
    output, _ = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output)
