"""HTTP over a unix socket: how the supervisor is asked, and how one server process is asked beside others at the same port."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import stat
import tempfile
import xmlrpc.client
from pathlib import Path
from typing import Any


def sockets(folder: Path) -> Path:
    """The private folder for the sockets of `folder`, made if need be.

    It lies under the temporary folder with a short name, since the address of a unix socket has at most 107 bytes. Raises OSError
    where someone else made it first.
    """
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    base = Path(tempfile.gettempdir()) / f"trueup-{os.getuid()}"
    if len(str(base)) > 70:
        base = Path(f"/tmp/trueup-{os.getuid()}")
    for path in (base, base / digest):
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(
                f"{path} is not a private folder of this user; remove it or set TMPDIR to another folder"
            )
    return base / digest


class Connection(http.client.HTTPConnection):
    """An HTTP connection to a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Transport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self._path, self._timeout = path, timeout

    def make_connection(self, host: Any) -> Connection:
        return Connection(self._path, self._timeout)


def get(path: Path, url: str, timeout: float) -> tuple[int, Any]:
    """The status and the JSON body of a GET, None where it is no JSON; raises OSError when no one answers in time."""
    status, body = text(path, url, timeout)
    try:
        return status, json.loads(body)
    except ValueError:
        return status, None


def text(path: Path, url: str, timeout: float) -> tuple[int, str]:
    """The status and the body of a GET; raises OSError when no one answers in time."""
    connection = Connection(path, timeout)
    try:
        connection.request("GET", url)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


def listening(path: Path) -> socket.socket:
    """A socket at a path, made anew. It listens at once, so that who asks waits where the server is about to answer."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen(64)
    return sock
