"""The ledger's door to Git's objects and refs. Called by the other modules of `record` only.

It runs the `git` binary: three short processes an append (about 15 ms), where importing GitPython alone takes 300 ms. It
never touches an index, a working tree or HEAD, so it works the same in a checkout, a worktree and a bare repository.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

from trueup.record.events import LedgerError

_LOCAL = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
)
"""Variables that Git sets for its hooks: with them, the wrong repository or index would be used."""


@dataclass(frozen=True, slots=True)
class Object:
    """A Git object: its id, type (`commit`, `tree`, `blob`) and content."""

    id: str
    type: str
    data: bytes

    @property
    def intact(self) -> bool:
        """Whether the content is what the id says; `git cat-file` does not look."""
        digest = hashlib.sha256 if len(self.id) == 64 else hashlib.sha1
        return digest(b"%s %d\0" % (self.type.encode(), len(self.data)) + self.data).hexdigest() == self.id


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes: the identity and the signing settings of Git's configuration."""

    name: str
    email: str
    sign: bool
    key: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


UNKNOWN = ("unknown (git config user.name is not set)", "unknown@localhost.invalid")


class Reader(AbstractContextManager["Reader"]):
    """Reads objects through one `git cat-file --batch`; usable in a `with` statement, by one thread."""

    def __init__(self, git: Git) -> None:
        self._process = subprocess.Popen(
            git.command("cat-file", "--batch"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=git.environment,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()
        process.wait()

    def read(self, name: str) -> Object | None:
        """The object that a revision names (an id, a ref, `ref:path`), or None. Raises LedgerError for a damaged one."""
        if "\n" in name:
            return None
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(name.encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise LedgerError("Git stopped reading objects: one of them is damaged. Run `git fsck`.") from None
        header = stdout.readline()
        if header.endswith((b" missing\n", b" ambiguous\n")):
            return None
        parts = header.split()
        if len(parts) != 3:
            raise LedgerError(
                f"Git cannot read the object {name}: it is damaged. Run `git fsck`; fetch the ledger again."
            )
        data = stdout.read(int(parts[2]))
        stdout.read(1)
        if len(data) != int(parts[2]):
            raise LedgerError(
                f"Git cannot read the object {name}: it is damaged. Run `git fsck`; fetch the ledger again."
            )
        return Object(parts[0].decode(), parts[1].decode(), data)


def tree_items(data: bytes, width: int) -> dict[str, tuple[str, str]]:
    """A tree object's items: name → (mode, object id); `width` is the bytes of an id (20 or 32)."""
    items: dict[str, tuple[str, str]] = {}
    place = 0
    while place < len(data):
        space = data.index(b" ", place)
        end = data.index(b"\0", space)
        oid = data[end + 1 : end + 1 + width]
        items[data[space + 1 : end].decode("utf-8", "surrogateescape")] = (data[place:space].decode(), oid.hex())
        place = end + 1 + width
    return items


class Git:
    """One repository, by any folder inside it or by its bare folder."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.environment = {k: v for k, v in os.environ.items() if k not in _LOCAL} | {
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }

    def command(self, *arguments: str) -> list[str]:
        """The arguments of a `git` process in the repository."""
        return ["git", "-C", str(self.repository), *arguments]

    def run(
        self, *arguments: str, data: bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `git`, whatever it returns. Raises LedgerError where there is no `git`."""
        try:
            return subprocess.run(
                self.command(*arguments), input=data, capture_output=True, env={**self.environment, **(env or {})}
            )
        except FileNotFoundError:
            raise LedgerError("The program `git` is not on PATH. Install Git 2.34 or newer.") from None

    def text(self, *arguments: str, data: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """What `git` prints. Raises LedgerError with Git's own words where it fails."""
        done = self.run(*arguments, data=data, env=env)
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
            raise LedgerError(f"`git {arguments[0]}` failed in {self.repository}: {said}")
        return done.stdout.decode("utf-8", "replace").strip()

    @cached_property
    def identity(self) -> Identity:
        """Git's `user.*` and `commit.gpgsign`, with a fallback that says that it is one."""
        done = self.run("config", "--null", "--get-regexp", r"^(user\.(name|email|signingkey)|commit\.gpgsign)$")
        pairs = (item.partition("\n") for item in done.stdout.decode("utf-8", "replace").split("\0") if item)
        config = {key: value for key, _, value in pairs}
        name = os.environ.get("GIT_AUTHOR_NAME") or config.get("user.name") or UNKNOWN[0]
        email = os.environ.get("GIT_AUTHOR_EMAIL") or config.get("user.email") or UNKNOWN[1]
        sign = config.get("commit.gpgsign", "").lower() in ("true", "yes", "on", "1")
        return Identity(_clean(name), _clean(email), sign, config.get("user.signingkey", ""))

    def commit(
        self, files: Mapping[str, bytes | None], parent: str, identity: Identity, stamp: int, message: str
    ) -> str:
        """Write a commit with `files` on top of `parent` (empty for none) and return its id; no ref is moved.

        `git fast-import` writes blobs, trees and commit in one process. Its branch is reset to nothing at the end, so that
        it leaves no ref.
        """
        branch = f"refs/trueup/writing/{os.getpid()}"
        who = f"{identity.name} <{identity.email}> {stamp} +0000".encode()
        text = message.encode()
        lines = [b"commit %s\nmark :1\nauthor %s\ncommitter %s\n" % (branch.encode(), who, who)]
        lines.append(b"data %d\n%s\n" % (len(text), text))
        if parent:
            lines.append(b"from %s\n" % parent.encode())
        for path, content in sorted(files.items()):
            if content is None:
                lines.append(b"D %s\n" % path.encode())
            else:
                lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
        zero = b"0" * (len(parent) or 40)
        lines.append(b"\nget-mark :1\nreset %s\nfrom %s\n\ndone\n" % (branch.encode(), zero))
        return self.text("fast-import", "--quiet", "--done", data=b"".join(lines))

    def sign(self, commit: str, parent: str, identity: Identity, stamp: int, message: str) -> str:
        """The same commit with a signature, as Git is configured (`gpg.format`, `user.signingKey`). Returns its id."""
        who = {"NAME": identity.name, "EMAIL": identity.email, "DATE": f"{stamp} +0000"}
        env = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        parents = ["-p", parent] if parent else []
        arguments = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", "-S", *parents, "-F", "-", f"{commit}^{{tree}}"]
        done = self.run(*arguments, data=message.encode(), env=env)
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise LedgerError(
                f"The ledger's entry could not be signed: {said}. Set `git config user.signingKey` (and `gpg.format ssh` for an "
                "SSH key), or turn `commit.gpgsign` off."
            )
        return done.stdout.decode().strip()

    def move(self, ref: str, new: str, old: str) -> bool:
        """Move a ref from `old` (empty: it must not exist yet) to `new`; False where it is no longer at `old`."""
        done = self.run("update-ref", "--create-reflog", "-m", "trueup", ref, new, old or "0" * len(new))
        if done.returncode == 0:
            return True
        said = done.stderr.decode("utf-8", "replace")
        if any(
            words in said for words in ("but expected", "File exists", "already exists", "unable to resolve reference")
        ):
            return False
        raise LedgerError(f"The ledger {ref} could not be moved in {self.repository}: {said.strip()}")

    def ids(self, *arguments: str) -> Sequence[str]:
        """The object ids that `git rev-list` prints."""
        return self.text("rev-list", *arguments).split()


def _clean(text: str) -> str:
    """A name without the characters that end it in a commit."""
    return "".join(c for c in text if c not in "<>\n\r\0").strip() or "unknown"
