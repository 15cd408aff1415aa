"""One apply per stack: a lock with an owner and a lease, in a file beside the state. Called by `apply/pulumi.py`.

The lock is a file that is made whole and linked into place, so that of several exactly one gets it. It names its owner (user,
host, boot, process, start time) and, once it runs, the CLI. A thread renews the lease; when it cannot, the watchdog ends the CLI.
What an owner left that is gone is handed to whoever comes next (`Lock.left`), which puts it right.

For file state the lock lies beside the state and holds between machines that share the folder. For other backends it lies in the
workspace's home and holds on this machine; between machines Pulumi's own lock holds, which has an owner and no lease.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trueup.apply import processes
from trueup.apply.processes import Identity
from trueup.kernel import ending
from trueup_stacks.core.resources import StackId

LEASE_SECONDS = 60.0
"""How long a lock holds without being renewed."""
RENEW_SECONDS = 10.0
SKEW_SECONDS = 30.0
"""How far the clocks of two machines that share the state may differ."""
SHOWN = "%Y-%m-%d %H:%M:%S UTC"


class LockedError(Exception):
    """Somebody else works on the stack. The text says who, since when, and what to do."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a lock's file says."""

    token: str
    """The operation's, which its processes carry too (`processes.MARK`)."""
    user: str
    owner: Identity
    since: float
    """Seconds since 1970, as `renewed`."""
    renewed: float
    lease: float
    cli: Identity | None = None

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def parse(cls, text: str) -> Record:
        """The reverse of `as_json`. Raises ValueError for anything else."""
        try:
            raw: dict[str, Any] = json.loads(text)
            owner, cli = Identity(**raw.pop("owner")), raw.pop("cli", None)
            return cls(owner=owner, cli=Identity(**cli) if cli else None, **raw)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("This is no lock of Trueup's.") from error

    @property
    def expired(self) -> bool:
        """Whether the lease has ended; for another machine's clock with some patience."""
        patience = 0.0 if self.owner.local else SKEW_SECONDS
        return time.time() - self.renewed > self.lease + patience

    @property
    def gone(self) -> bool:
        """Whether the owner is known to be gone: it was a process of this host, and no longer is."""
        return self.owner.host == processes.host() and not self.owner.alive


class Lock:
    """A held lock. `left` is the record of an owner that went without releasing it, if there was one."""

    def __init__(self, path: Path, record: Record, left: Record | None, timing: tuple[float, float]) -> None:
        self.left = left
        self.lost = ""
        """Why the lock is no longer ours; empty while it is."""
        self._path = path
        self._record = record
        self._lease, self._renew = timing
        self._ended = threading.Event()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name=f"lock-{path.stem}", daemon=True)
        self._thread.start()

    @property
    def token(self) -> str:
        """The operation's token, for the environment of the CLI."""
        return self._record.token

    def record_cli(self, pid: int) -> None:
        """Writes down which process the CLI is, so that whoever comes after us can end it. Raises LockedError when the lock is lost."""
        cli = None
        with contextlib.suppress(ProcessLookupError):
            cli = processes.identify(pid)
            self._write(cli=cli)
        if self.lost:
            processes.end_operation(self.token, cli)
            raise LockedError(self.lost)

    def release(self) -> None:
        """Gives the lock back, where it is still ours."""
        self._ended.set()
        self._thread.join()
        with _exclusive(self._path):
            found = read(self._path)
            if found is not None and found.token == self.token:
                self._path.unlink(missing_ok=True)

    def _watch(self) -> None:
        """Renews the lease; ends the CLI when that has not been possible for the length of the lease."""
        last = time.monotonic()
        while not self.lost and not self._ended.wait(self._renew):
            try:
                self._write()
                last = time.monotonic()
            except OSError as error:
                if time.monotonic() - last > self._lease:
                    self.lost = f"The lock {self._path} could not be renewed for {self._lease:.0f} s: {error.strerror}."
        if self.lost:
            processes.end_operation(self.token, self._record.cli)

    def _write(self, cli: Identity | None = None) -> None:
        """Writes our record, renewed; or finds that the lock has another owner."""
        with self._guard, _exclusive(self._path):
            found = read(self._path)
            if found is None or found.token != self.token:
                by = f"{found.user}@{found.owner.host} (process {found.owner.pid}) has" if found else "someone has"
                self.lost = (
                    f"The lease of the lock {self._path} ended, and {by} taken it. Apply again when that has ended."
                )
                return
            self._record = replace(self._record, renewed=time.time(), cli=cli or self._record.cli)
            new = self._path.with_name(f"{self._path.name}.{self.token}")
            new.write_text(self._record.as_json())
            new.replace(self._path)


@contextmanager
def hold(
    folder: Path, project: str, stack: StackId, lease: float = LEASE_SECONDS, renew: float = RENEW_SECONDS
) -> Iterator[Lock]:
    """Holds the lock of a stack while the block runs. `folder` is where locks lie. Raises LockedError at once when someone else has it."""
    lock = acquire(folder, project, stack, lease, renew)
    try:
        yield lock
    finally:
        lock.release()


def acquire(
    folder: Path, project: str, stack: StackId, lease: float = LEASE_SECONDS, renew: float = RENEW_SECONDS
) -> Lock:
    """Takes the lock of a stack, also from an owner that is gone or whose lease has ended. Raises LockedError."""
    path = place(folder, project, stack)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _outwait(path, stack, renew)
    now = time.time()
    record = Record(secrets.token_hex(16), getpass.getuser(), processes.identify(), now, now, lease)
    with _exclusive(path):
        left = read(path)
        if left is not None and not (left.gone or left.expired):
            raise LockedError(held(stack, left))
        if left is not None:
            _end(left)
            path.unlink(missing_ok=True)
        _create(path, record, stack)
    return Lock(path, record, left, (lease, renew))


def place(folder: Path, project: str, stack: StackId) -> Path:
    """The file of a stack's lock."""
    return folder / project / f"{stack}.json"


def read(path: Path) -> Record | None:
    """The record in a lock's file; None where it is not held. What is no record at all counts as left by someone unknown."""
    try:
        return Record.parse(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        changed = path.stat().st_mtime
        return Record("", "someone", Identity("", "", 0, ""), changed, changed, LEASE_SECONDS)


def held(stack: StackId, record: Record) -> str:
    """The sentence about a stack that someone else works on."""
    minutes = int((time.time() - record.since) / 60)
    ago = f", {minutes} min ago" if minutes else ""
    ends = datetime.fromtimestamp(record.renewed + record.lease + SKEW_SECONDS, UTC).strftime(SHOWN)
    return (
        f"Stack {stack} is being changed by {record.user}@{record.owner.host} (process {record.owner.pid}) since "
        f"{datetime.fromtimestamp(record.since, UTC).strftime(SHOWN)}{ago}. Wait until it has ended, or end it there "
        f"with Ctrl-C. If it is gone, its lock ends by itself at {ends}; then run this again."
    )


def _outwait(path: Path, stack: StackId, renew: float) -> None:
    """An owner on this machine that was just killed gets a moment to be gone.

    A living one whose lease has ended may have slept with the machine, and gets a moment to renew.
    """
    found = read(path)
    if found is not None and ending(found.owner.pid):
        processes.await_end([found.owner])
    if found is None or not found.expired or not found.owner.alive:
        return
    time.sleep(2 * renew)
    again = read(path)
    if again is not None and again.renewed != found.renewed:
        raise LockedError(held(stack, again))


def _create(path: Path, record: Record, stack: StackId) -> None:
    """Makes the file whole, and fails when there is one: a link cannot replace anything."""
    new = path.with_name(f"{path.name}.{record.token}")
    new.write_text(record.as_json())
    try:
        os.link(new, path)
    except FileExistsError:
        other = read(path)
        raise LockedError(held(stack, other or record)) from None
    finally:
        new.unlink()


def _end(left: Record) -> None:
    """Ends what is left of an operation on this machine, whatever its owner: before its lock is anybody else's."""
    if left.token:
        processes.end_operation(left.token, left.cli)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Guards the moments in which a lock is looked at and then changed."""
    from filelock import FileLock

    with FileLock(path.with_suffix(".guard"), timeout=30, is_singleton=False):
        yield
