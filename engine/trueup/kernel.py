"""What the kernel says of a process, so that it is the same one tomorrow: ids are used again, and the clock of the wall may be set anew.

Called by `apply.processes`, `run.processes` and `serving.processes`, which each record the processes of theirs.
"""

from __future__ import annotations

import functools
from pathlib import Path

import psutil


@functools.cache
def boot_id() -> str:
    """What changes with each boot of the machine."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else str(int(psutil.boot_time()))


def started_at(pid: int) -> str | None:
    """When a process started, in the kernel's own units, so that a corrected clock changes nothing.

    None where it is gone, or has ended and was not waited for.
    """
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.1f}"
    except psutil.NoSuchProcess:
        return None
