"""Signatures with the keys that people sign commits with: SSH through `ssh-keygen`, GPG through `gpg`.

Called by `approvals` and `coverage`, and for access policies and break-glass.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trueup_specs.kinds.team.spec import Member, TeamSpec

NAMESPACE = "trueup-seal"
"""The namespace of SSH signatures: one made for a commit or a file is not taken for an approval."""
HOW = (
    "Make one with `ssh-keygen -t ed25519`, then `git config --global gpg.format ssh` and "
    "`git config --global user.signingKey ~/.ssh/id_ed25519.pub`, and add the public key to your Team's `signingKeys`."
)


class SignatureError(Exception):
    """Nothing could be signed; the text says why and what to do."""


@dataclass(frozen=True)
class Signer:
    """The key of Git's configuration."""

    format: str
    key: str


def signer(repository: Path) -> Signer:
    """Who signs here. Raises SignatureError where Git names no key."""
    key = _config(repository, "user.signingKey")
    form = _config(repository, "gpg.format") or "openpgp"
    if form not in ("ssh", "openpgp"):
        raise SignatureError(f"Git's gpg.format is {form!r}; approvals are signed with ssh or openpgp keys.")
    if not key:
        raise SignatureError(f"Git knows no signing key of yours (user.signingKey is not set). {HOW}")
    return Signer("ssh" if form == "ssh" else "gpg", key)


def _config(repository: Path, name: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), "config", "--get", name], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def sign(repository: Path, data: bytes) -> tuple[str, str]:
    """The signature's format and text. Raises SignatureError."""
    found = signer(repository)
    return found.format, (_sign_ssh if found.format == "ssh" else _sign_gpg)(found.key, data)


def _sign_ssh(key: str, data: bytes) -> str:
    with _key_file(key) as path:
        done = _run(["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(path)], data)
    if done.returncode != 0:
        raise SignatureError(f"ssh-keygen could not sign with {key}: {_text(done.stderr)}. {HOW}")
    return done.stdout.decode()


@contextmanager
def _key_file(key: str) -> Iterator[Path]:
    """The file of a key: a path as it is, a public key by value (its private half is the agent's) in a file of its own."""
    literal = key.removeprefix("key::")
    if not literal.startswith(("ssh-", "ecdsa-", "sk-")):
        yield Path(key).expanduser()
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key.pub"
        path.write_text(literal + "\n", encoding="utf-8")
        yield path


def _sign_gpg(key: str, data: bytes) -> str:
    done = _run(["gpg", "--batch", "--yes", "--armor", "--detach-sign", "--local-user", key, "--output", "-"], data)
    if done.returncode != 0:
        raise SignatureError(f"gpg could not sign with {key}: {_text(done.stderr)}.")
    return done.stdout.decode()


def who(repository: Path, purpose: str, teams: Mapping[str, TeamSpec]) -> Member | None:
    """The member whose key signs here, proved by a signature of `purpose`; None where it is no member's. Raises SignatureError."""
    data = f"{purpose}\n{secrets.token_hex(16)}".encode()
    form, signature = sign(repository, data)
    return verified(form, signature, data, teams)


def committer(repository: Path, commit: str, teams: Mapping[str, TeamSpec]) -> Member | None:
    """The member whose key signed a commit; None where it is not signed, not valid, or signed by nobody of the teams."""
    members = [m for t in teams.values() for m in t.members]
    position = _commit_signer(repository, commit, [m.signing_keys for m in members])
    return members[position] if position is not None else None


def committed_with(repository: Path, commit: str, keys: Iterable[str]) -> bool:
    """Whether one of some keys signed a commit."""
    return _commit_signer(repository, commit, [tuple(keys)]) is not None


def _commit_signer(repository: Path, commit: str, keys: Iterable[tuple[str, ...]]) -> int | None:
    """The position of the keys of which one signed a commit."""
    listed = list(keys)
    with tempfile.TemporaryDirectory() as folder:
        allowed = Path(folder) / "allowed"
        lines = (
            f'member{n} namespaces="git" {" ".join(k.split()[:2])}\n'
            for n, some in enumerate(listed)
            for k in some
            if k.startswith(("ssh-", "ecdsa-", "sk-"))
        )
        allowed.write_text("".join(lines), encoding="utf-8")
        command = [
            "git",
            "-C",
            str(repository),
            "-c",
            f"gpg.ssh.allowedSignersFile={allowed}",
            "log",
            "-1",
            "--no-show-signature",
        ]
        done = _run([*command, "--format=%G?%x1f%GS%x1f%GF%x1f%GP", commit, "--"], b"")
    parts = done.stdout.decode("utf-8", "replace").strip("\n").split("\x1f")
    if done.returncode != 0 or len(parts) != 4 or parts[0] not in ("G", "U"):
        return None
    if parts[0] == "G" and (found := re.fullmatch(r"member(\d+)", parts[1])):
        return int(found[1])
    made = {p.upper() for p in parts[2:] if re.fullmatch(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}", p)}
    return next((n for n, some in enumerate(listed) if made & {k.replace(" ", "").upper() for k in some}), None)


def verified(form: str, signature: str, data: bytes, teams: Mapping[str, TeamSpec]) -> Member | None:
    """The member of one of the teams whose key made the signature; None where it is none of theirs, or not valid."""
    # Someone in two teams may have a key in each.
    members = [m for t in teams.values() for m in t.members]
    if form == "ssh":
        return _verified_ssh(signature, data, members)
    return _verified_gpg(signature, data, members) if form == "gpg" else None


def _verified_ssh(signature: str, data: bytes, members: list[Member]) -> Member | None:
    with tempfile.TemporaryDirectory() as folder:
        allowed, proof = Path(folder) / "allowed", Path(folder) / "seal.sig"
        proof.write_text(signature, encoding="utf-8")
        for position, member in enumerate(members):
            keys = [k for k in member.signing_keys if k.startswith(("ssh-", "ecdsa-", "sk-"))]
            if not keys:
                continue
            name = f"member{position}"
            allowed.write_text(
                "".join(f'{name} namespaces="{NAMESPACE}" {" ".join(k.split()[:2])}\n' for k in keys), encoding="utf-8"
            )
            command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", name, "-n", NAMESPACE, "-s", str(proof)]
            if _run(command, data).returncode == 0:
                return member
    return None


def _verified_gpg(signature: str, data: bytes, members: list[Member]) -> Member | None:
    with tempfile.TemporaryDirectory() as folder:
        proof = Path(folder) / "seal.asc"
        proof.write_text(signature, encoding="utf-8")
        done = _run(["gpg", "--batch", "--status-fd", "1", "--verify", str(proof), "-"], data)
    if done.returncode != 0:
        return None
    made = _good(done.stdout.decode("utf-8", "replace"))
    return next((m for m in members if made & {k.replace(" ", "").upper() for k in m.signing_keys}), None)


def _good(status: str) -> set[str]:
    """The fingerprints, of key and primary key, of the first good signature that gpg's status lines tell of.

    A signature by a key that is revoked or has expired is valid to gpg too, and its exit code is 0: only GOODSIG says that it counts.
    """
    for about in status.split("[GNUPG:] NEWSIG"):
        good = re.search(r"^\[GNUPG:\] GOODSIG ", about, re.MULTILINE)
        if good and (found := re.search(r"^\[GNUPG:\] VALIDSIG (\S+)(?: .*)? (\S+)$", about, re.MULTILINE)):
            return {found[1].upper(), found[2].upper()}
    return set()


def _run(command: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    if shutil.which(command[0]) is None:
        raise SignatureError(f"There is no `{command[0]}` on PATH: install OpenSSH's client or GnuPG.")
    return subprocess.run(command, input=data, capture_output=True, env={**os.environ, "LC_ALL": "C"}, check=False)


def _text(output: bytes) -> str:
    return " ".join(output.decode("utf-8", "replace").split()).rstrip(".")
