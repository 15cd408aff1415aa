"""One model server process: `python -m trueup.serving.server FOLDER GROUP NUMBER`, started by the supervisor.

It loads its revision, answers health checks on a unix socket of its own, and opens the replica's port when its group is the active one:
with the sockets of the process that it follows, if there is one. A revision that cannot be loaded ends with the code `BROKEN`.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.serving import handover, ports, processes, settings, unix_http
from trueup.serving.supervision import BROKEN

if TYPE_CHECKING:
    from trueup.serving.settings import Revision


def health(folder: Path, pid: int) -> Path:
    """The unix socket at which one process answers, beside others at the same port."""
    return unix_http.sockets(folder) / f"s-{pid}.sock"


def main(folder: Path, group: str, number: int) -> int:
    """Serves until it is asked to end; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # KServe writes two lines for every request, those of the health checks among them.
    logging.getLogger("kserve.trace").setLevel(logging.WARNING)
    try:
        revision = settings.load(folder, group)
    except (OSError, ValueError) as error:
        return _broken(f"The revision {group} cannot be read: {error}")
    replica, worker = divmod(number, revision.workers)
    processes.record(folder, group, str(revision.model_version), replica, worker)
    _environment(revision)
    try:
        from trueup.serving.model import Served

        model = Served(folder, revision)
    except Exception as error:
        logging.exception("loading failed")
        return _broken(
            f"The model {revision.model_name} version {revision.model_version} does not load: {type(error).__name__}: {error}"
        )
    try:
        _serve(folder, group, replica, worker, revision, model)
    except PortTakenError as error:
        return _broken(str(error))
    return 0


class PortTakenError(Exception):
    """Somebody else listens at the replica's port. A full sentence."""


def _broken(reason: str) -> int:
    print(reason, file=sys.stderr, flush=True)  # noqa: T201 - the process's log, of which the deployment shows the last line
    return BROKEN


def _environment(revision: Revision) -> None:
    if revision.cpu_limit:
        threads = str(max(1, math.ceil(revision.cpu_limit)))
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads))
    os.environ.update(revision.env)


def _serve(folder: Path, group: str, replica: int, worker: int, revision: Revision, model: Any) -> None:
    from trueup.serving import listening

    place = listening.Place(folder, group, replica, revision, lambda: _sockets(folder, replica, worker, revision))
    server = listening.server(place, model)
    own = health(folder, os.getpid())
    handover.offer(handover.address(folder, os.getpid()), lambda: list(server.opened))
    try:
        server.run(sockets=[unix_http.listening(own)])
    finally:
        for path in (own, handover.address(folder, os.getpid())):
            path.unlink(missing_ok=True)


def _sockets(folder: Path, replica: int, worker: int, revision: Revision) -> list[socket.socket]:
    """Those of the processes that this one follows, or a new one at the replica's port."""
    port = revision.ports[replica]
    before = [
        entry.pid
        for entry in processes.living(folder)
        if entry.replica == replica and entry.worker % revision.workers == worker and entry.pid != os.getpid()
    ]
    taken = handover.take(handover.address(folder, pid) for pid in before)
    if ours := [sock for sock in taken if sock.getsockname()[1] == port]:
        return ours
    for attempt in range(20):
        try:
            return [ports.shared(port)]
        except OSError as error:
            if error.errno != errno.EADDRINUSE or attempt == 19:
                break
            time.sleep(0.1)
    raise PortTakenError(
        f"Another program uses the port {port}, at which {revision.name} was served; end it, and apply again."
    )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
