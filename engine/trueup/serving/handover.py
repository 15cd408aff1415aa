"""Listening sockets passed from a server process to its successor, so that no connection is lost. Called by `server`.

Two sockets at one port have two queues of connections, and closing one resets what waits in it. So the successor gets the *same* socket
over a unix socket (SCM_RIGHTS): while both hold it both accept, and when the old process closes it the queue stays.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from trueup.serving import unix_http

MOST = 64
SECONDS = 2.0


def address(folder: Path, pid: int) -> Path:
    """Where the process offers its sockets."""
    return unix_http.sockets(folder) / f"h-{pid}.sock"


def offer(path: Path, held: Callable[[], list[socket.socket]]) -> None:
    """Gives the sockets to whoever asks, in a thread of its own, as long as the process lives. Only the user can reach the path."""
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(str(path))
    door.listen(8)
    threading.Thread(target=_serve, args=(door, held), daemon=True, name="handover").start()


def _serve(door: socket.socket, held: Callable[[], list[socket.socket]]) -> None:
    while True:
        with contextlib.suppress(OSError):
            visitor, _ = door.accept()
            with visitor:
                socket.send_fds(visitor, [b"."], [s.fileno() for s in held() if s.fileno() >= 0][:MOST])


def take(paths: Iterable[Path]) -> list[socket.socket]:
    """The sockets of the processes at `paths`; of one that is gone or hangs, none."""
    found: list[socket.socket] = []
    for path in paths:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
            visitor.settimeout(SECONDS)
            visitor.connect(str(path))
            _, descriptors, _, _ = socket.recv_fds(visitor, 1, MOST)
            found += [socket.socket(fileno=descriptor) for descriptor in descriptors]
    return found
