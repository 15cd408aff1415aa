"""Signatures of the ledger's commits. Called by `verification` only.

What Git's configuration trusts (`gpg.ssh.allowedSignersFile`, the GPG keyring) counts as trusted. Without it an SSH signature is still
checked against the key inside it, so that a changed entry is found in any clone.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from enum import StrEnum
from pathlib import Path

from trueup.record.objects import Git

_SSH = b"-----BEGIN SSH SIGNATURE-----"


class Mark(StrEnum):
    """What a commit's signature is worth."""

    NONE = "none"
    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    """It fits, and the key is nobody's that is known here."""
    UNCHECKED = "unchecked"
    FALSE = "false"


def judge(git: Git, commit: str, data: bytes) -> Mark:
    """What the signature of a commit (its id, and its raw content) is worth."""
    signature, signed = split(data)
    if not signature:
        return Mark.NONE
    done = git.run("verify-commit", "--raw", commit)
    if done.returncode == 0:
        return Mark.TRUSTED
    if signature.startswith(_SSH):
        return _ssh(signature, signed)
    said = done.stderr.decode("utf-8", "replace")
    if "BADSIG" in said:
        return Mark.FALSE
    return Mark.UNKNOWN if "GOODSIG" in said else Mark.UNCHECKED


def split(data: bytes) -> tuple[bytes, bytes]:
    """The signature inside a commit, and the commit as it was signed."""
    head, blank, text = data.partition(b"\n\n")
    kept, signature, inside = [], [], False
    for line in head.split(b"\n"):
        if line.startswith((b"gpgsig ", b"gpgsig-sha256 ")):
            signature.append(line.partition(b" ")[2])
            inside = True
        elif inside and line.startswith(b" "):
            signature.append(line[1:])
        else:
            kept.append(line)
            inside = False
    return b"\n".join(signature), b"\n".join(kept) + blank + text


def _ssh(signature: bytes, signed: bytes) -> Mark:
    if shutil.which("ssh-keygen") is None:
        return Mark.UNCHECKED
    with tempfile.TemporaryDirectory() as folder:
        proof = Path(folder) / "commit.sig"
        proof.write_bytes(signature + b"\n")
        command = ["ssh-keygen", "-Y", "check-novalidate", "-n", "git", "-s", str(proof)]
        done = subprocess.run(command, input=signed, capture_output=True, check=False)
    return Mark.UNKNOWN if done.returncode == 0 else Mark.FALSE
