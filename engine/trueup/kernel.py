"""What the kernel says of a process, so that it is the same one tomorrow: ids are used again, and the clock of the wall may be set anew.

Called by `apply.processes`, `run.processes` and `serving.processes`, which each record the processes of theirs.
"""

from __future__ import annotations

import functools
from pathlib import Path

import psutil

ENDED = "ZX"


@functools.cache
def boot_id() -> str:
    """What changes with each boot of the machine."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else str(int(psutil.boot_time()))


def started_at(pid: int) -> str | None:
    """When a process started, in the kernel's own units, so that a corrected clock changes nothing.

    None where it is gone, or has ended and was not waited for. One that was killed runs until its last thread is out of the kernel.
    """
    if Path("/proc/self/stat").exists():
        fields = _fields(Path(f"/proc/{pid}/stat"))
        return fields[19] if fields and (fields[0] not in ENDED or _threads(pid)) else None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.1f}"
    except psutil.NoSuchProcess:
        return None


def ending(pid: int) -> bool:
    """Whether a process has ended but for threads that are on their way out: their last call may yet write a file."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return bool(fields) and fields[0] in ENDED and _threads(pid)


def _threads(pid: int) -> bool:
    return any(
        (fields := _fields(task)) and fields[0] not in ENDED for task in Path(f"/proc/{pid}/task").glob("*/stat")
    )


def _fields(path: Path) -> list[str]:
    """What the kernel says of a process or thread, from its state on; empty where it is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
